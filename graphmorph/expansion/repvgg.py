"""The RepVGG block of Ding et al., CVPR 2021 (figure 2)."""

from __future__ import annotations

from graphmorph.expansion.branch import Branch, identity, pointwise, square


def branches(size: int, *, with_identity: bool) -> tuple[Branch, ...]:
    """A square kernel with a 1 x 1 one and, where the shapes allow it, a normalised identity."""
    return (square(size), pointwise(size), *((identity(size),) if with_identity else ()))

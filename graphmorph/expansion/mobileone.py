"""The MobileOne block of Vasu et al., CVPR 2023 (figure 3)."""

from __future__ import annotations

from graphmorph.expansion.branch import Branch, identity, pointwise, square


def branches(size: int, *, count: int, with_identity: bool) -> tuple[Branch, ...]:
    """`count` square kernels side by side, a 1 x 1 one where they are larger, and a normalised identity.

    One share of the kernel is divided among the new squares, so that something is left for the first.
    """
    copies = tuple(Branch(f"branch{n}", (size, size), part=1.0 / (count - 1)) for n in range(2, count + 1))
    scale = (pointwise(size),) if size > 1 else ()
    return (square(size), *copies, *scale, *((identity(size),) if with_identity else ()))

"""Sizes of a graph that was traced from torch: those on the example, which its tensors and its record carry."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_graphsurgeon as gs

from graphmorph.channels.sizes import Sizes
from graphmorph.facts import Dimension, Facts


def traced_sizes(facts: Facts) -> Sizes:
    """The sizes on the example; axes that follow its batch are free. The graph must be a traced one.

    A tensor's shape says how it follows the batch; where it does so in another way, the record has the size. Tensors
    that rewrites made or resized with sizes unknown are left out.
    """
    traced = facts.graph.traced
    assert traced is not None
    sizes: dict[str, tuple[int, ...]] = {}
    free: dict[str, frozenset[int]] = {}
    for tensor in facts.tensors.values():
        if isinstance(tensor, gs.Constant) or tensor.shape is None:
            continue
        resized = tensor.name in facts.graph.resized
        recorded = () if resized else traced.sizes.get(tensor.name, ())
        found = [_on_example(size, axis, traced.batch, recorded) for axis, size in enumerate(tensor.shape)]
        known = tuple(size for size in found if size is not None)
        if len(known) == len(found):
            sizes[tensor.name] = known
            follows = frozenset(axis for axis, size in enumerate(tensor.shape) if not isinstance(size, int))
            free |= {tensor.name: follows} if follows else {}
    return Sizes(sizes, free)


def _on_example(size: Dimension, axis: int, batch: int | None, recorded: Sequence[int]) -> int | None:
    if isinstance(size, str) and batch is not None:
        factor, _, _ = size.partition("*batch")
        return batch if size == "batch" else int(factor) * batch
    if isinstance(size, int):
        return size
    return recorded[axis] if axis < len(recorded) else None

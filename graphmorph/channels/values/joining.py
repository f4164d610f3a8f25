"""Concat, Split, Expand and Tile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.values.elementwise import aligned
from graphmorph.channels.values.fact import LIMIT, Fact
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.telling import settle
from graphmorph.channels.values.view import View


@rule("Concat")
def _concat(view: View) -> None:
    """Elements of the joined axis are told apart where they were in some operand, or where operands are stacked."""
    indices = range(view.count())
    outline = view.output_outline()
    axis = int(view.attribute("axis")) % outline.rank
    constant = [view.is_constant(index) for index in indices]
    facts = [
        view.of_constant(view.array(i)) if fixed else view.fact(i) for i, fixed in zip(indices, constant, strict=True)
    ]
    if any(fact.rank != outline.rank for fact in facts):
        raise LookupError("the operands do not have the rank of the result")
    facts = aligned(view.numbering, facts, constant, axes=[a for a in range(outline.rank) if a != axis])
    if _is_told_apart(facts, axis, outline.sizes[axis]) and axis not in outline.free:
        facts = [view.told_apart(fact, axis) for fact in facts]
        joined = Fact(
            outline,
            _joined([fact.constant for fact in facts], axis),
            _joined([fact.low for fact in facts], axis),
            _joined([fact.high for fact in facts], axis),
            _joined([fact.number for fact in facts], axis),
        )
        view.give_rearranged(joined)
        return
    facts = [view.collapsed(fact, but=tuple(a for a in range(fact.rank) if a != axis)) for fact in facts]
    number = view.combine(("Concat", axis, tuple(f.slice_shape for f in facts)), *[f.number for f in facts])
    constant_array = facts[0].constant
    for fact in facts[1:]:
        constant_array = np.where(constant_array == fact.constant, constant_array, np.nan)
    low = np.min(np.broadcast_arrays(*[f.low for f in facts]), axis=0)
    high = np.max(np.broadcast_arrays(*[f.high for f in facts]), axis=0)
    view.outputs[0] = settle(view.numbering, outline, number, constant_array, low, high)


def _is_told_apart(facts: Sequence[Fact], axis: int, size: int) -> bool:
    others = max(int(np.prod([n for a, n in enumerate(f.extents) if a != axis])) for f in facts)
    wanted = any(f.told_apart(axis) for f in facts) or all(f.sizes[axis] == 1 and axis not in f.free for f in facts)
    return wanted and others * size <= LIMIT and not any(axis in f.free for f in facts)


def _joined(arrays: Sequence[NDArray[Any]], axis: int) -> NDArray[Any]:
    """Concatenated along one axis, broadcast along the others."""
    extents = np.max([array.shape for array in arrays], axis=0)
    whole = [
        tuple(n if a == axis else int(e) for a, (n, e) in enumerate(zip(x.shape, extents, strict=True))) for x in arrays
    ]
    return np.concatenate([np.broadcast_to(x, shape) for x, shape in zip(arrays, whole, strict=True)], axis=axis)


@rule("Expand", "Tile")
def _expand(view: View) -> None:
    """Repeats: what was told apart and is repeated, is told apart in every copy."""
    x, outline = view.fact(0), view.output_outline()
    x = x.lifted(outline.rank)
    copies = []
    for axis, (size, new) in enumerate(zip(x.sizes, outline.sizes, strict=True)):
        copies.append(new // size if x.told_apart(axis) and view.node.op == "Tile" else 1)
        if x.told_apart(axis) and axis in outline.free:
            raise LookupError("how often elements are repeated differs between runs")
    repeated = x.mapped(outline, lambda array: np.tile(array, copies))
    if repeated.slice_shape != x.slice_shape or x.free or outline.free:
        tag = (view.node.op, view.name, x.slice_shape, repeated.slice_shape)
        repeated = repeated.numbered(view.combine(tag, repeated.number))
    view.give_rearranged(repeated)

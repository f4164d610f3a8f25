"""Operators that take some elements of an axis: Split, Slice and Gather."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from graphmorph.channels.values.fact import Fact, Outline
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.view import View


@rule("Split")
def _split(view: View) -> None:
    x = view.fact(0)
    axis = int(view.attribute("axis", 0)) % x.rank
    outlines = [view.output_outline(i) for i, tensor in enumerate(view.node.outputs)]
    sizes = tuple(outline.sizes[axis] for outline in outlines)
    if sum(sizes) != x.sizes[axis]:
        raise LookupError("the parts do not make the whole")
    start = 0
    for output, size in enumerate(sizes):
        where = (view.name, output) if axis in x.free else ("Slice", axis, start, start + size, 1)
        _take(view, x, axis, np.arange(start, start + size), where, output)
        start += size


@rule("Slice")
def _slice(view: View) -> None:
    """Operator Slice: bounds are attributes before version 10, inputs since."""
    x = view.fact(0)
    if view.has(1):
        starts, ends = view.integers(1), view.integers(2)
        axes = view.integers(3) if view.has(3) else list(range(len(starts)))
        steps = view.integers(4) if view.has(4) else [1] * len(starts)
    else:
        starts, ends = ([int(n) for n in view.attribute(name)] for name in ("starts", "ends"))
        axes = [int(n) for n in view.attribute("axes", range(len(starts)))]
        steps = [1] * len(starts)
    outline = view.output_outline()
    for axis, start, end, step in zip((a % x.rank for a in axes), starts, ends, steps, strict=True):
        taken = np.arange(x.sizes[axis])[slice(start, end, step)]
        whole = taken.size == x.sizes[axis] and step == 1 and axis not in x.free
        if not whole:
            x = _taken(view, x, axis, taken, ("Slice", axis, start, end, step), outline)
    view.give_rearranged(x)


def _take(view: View, x: Fact, axis: int, taken: np.ndarray, where: Hashable, output: int) -> None:
    view.give_rearranged(_taken(view, x, axis, taken, where, view.output_outline(output)), output)


def _taken(view: View, x: Fact, axis: int, taken: np.ndarray, where: Hashable, outline: Outline) -> Fact:
    """Some places along an axis; slices that run along it become others."""
    sizes = tuple(taken.size if a == axis else n for a, n in enumerate(x.sizes))
    free = x.free | outline.free
    if x.told_apart(axis):
        return x.mapped(Outline(sizes, free, x.dtype), lambda array: np.take(array, taken, axis))
    number = view.combine((where, x.slice_shape), x.number) if x.in_slice(axis) else x.number
    return Fact(Outline(sizes, free, x.dtype), x.constant, x.low, x.high, number)


@rule("Gather")
def _gather(view: View) -> None:
    """With constant indices a choice of places; with others, something out of each slice."""
    x = view.of_constant(view.array(0)) if view.is_constant(0) else view.fact(0)
    axis = int(view.attribute("axis", 0)) % x.rank
    if view.is_constant(1):
        indices = view.array(1)
        _gather_constant(view, x, axis, indices)
        return
    x = view.collapsed(x, but=tuple(a for a in range(x.rank) if a != axis))
    where = view.collapsed(view.fact(1))
    number = view.combine(("Gather", axis, x.slice_shape, where.slice_shape), x.number, where.number.reshape(()))
    extents = x.extents[:axis] + (1,) * where.rank + x.extents[axis + 1 :]
    moved = Fact(view.output_outline().retyped(x.dtype), x.constant, x.low, x.high, number)
    view.give_rearranged(moved.reshaped(moved.outline, extents))


def _gather_constant(view: View, x: Fact, axis: int, indices: np.ndarray) -> None:
    outline = view.output_outline().retyped(x.dtype)
    if x.told_apart(axis):
        view.give_rearranged(x.mapped(outline, lambda array: np.take(array, indices % x.sizes[axis], axis)))
        return
    number = x.number
    if x.in_slice(axis) or indices.size != 1:
        number = view.combine(("Gather", axis, indices.shape, indices.tobytes(), x.slice_shape), number)
    extents = x.extents[:axis] + (1,) * indices.ndim + x.extents[axis + 1 :]
    view.give_rearranged(Fact(outline, x.constant, x.low, x.high, number).reshaped(outline, extents))

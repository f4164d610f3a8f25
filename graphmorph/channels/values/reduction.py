"""Reductions over some axes."""

from __future__ import annotations

from math import prod

import numpy as np

from graphmorph.channels.values.fact import Fact, Float64
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.rounding import MANY, outward
from graphmorph.channels.values.view import View

#: Reductions that are never negative, and 0 exactly where all elements are.
_MAGNITUDES = ("ReduceL1", "ReduceL2", "ReduceSumSquare")


@rule(
    "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", *_MAGNITUDES, "ReduceProd", "ReduceLogSumExp", "ReduceLogSum"
)
def _reduce(view: View) -> None:
    """Axes are an attribute, or an input (ReduceSum since version 13, the others since 18)."""
    x = view.fact(0)
    axes = _axes(view, x.rank)
    if axes is None:
        view.give_rearranged(x)
        return
    x = view.collapsed(x, but=tuple(axis for axis in range(x.rank) if axis not in axes))
    number = view.combine((view.node.op, axes, x.slice_shape), x.number)
    keeps = bool(view.attribute("keepdims", 1))
    extents = tuple(n for axis, n in enumerate(x.extents) if keeps or axis not in axes)
    constant, low, high = _values(view.node.op, x, axes)
    view.give(number.reshape(extents), constant.reshape(extents), low.reshape(extents), high.reshape(extents))


def _axes(view: View, rank: int) -> tuple[int, ...] | None:
    """The axes that are reduced; None where the node does nothing."""
    given = view.integers(1) if view.has(1) else view.attribute("axes")
    if not given and int(view.attribute("noop_with_empty_axes", 0)):
        return None
    return tuple(sorted(int(axis) % rank for axis in given)) if given else tuple(range(rank))


def _values(op: str, x: Fact, axes: tuple[int, ...]) -> tuple[Float64, Float64, Float64]:
    """Value, lower and upper bound of the result for each slice."""
    free = any(axis in x.free for axis in axes)
    terms = prod(x.sizes[axis] for axis in axes)
    nothing = np.full(x.extents, np.nan)
    if op in ("ReduceMax", "ReduceMin"):
        return x.constant, x.low, x.high
    if op == "ReduceMean":
        return x.constant, *outward(x.low, x.high, (MANY if free else terms) + 2, x.dtype)
    if op == "ReduceSum":
        most, least = (np.inf, 0.0) if free else (float(terms), float(terms))
        low = np.where(x.low >= 0, least * x.low, most * x.low)
        high = np.where(x.high <= 0, least * x.high, most * x.high)
        return nothing if free else terms * x.constant, *outward(low, high, most, x.dtype)
    zero = (x.low == 0) & (x.high == 0)
    if op in _MAGNITUDES:
        return nothing, np.zeros(x.extents), np.where(zero, 0.0, np.inf)
    return nothing, nothing, nothing

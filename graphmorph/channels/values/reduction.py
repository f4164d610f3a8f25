"""Reductions over some axes."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.values.fact import Fact, Float64
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.rounding import MANY, margin, not_above_zero
from graphmorph.channels.values.softmax import mean_bounds, weighted_by_shares
from graphmorph.channels.values.view import View

Found = tuple[Float64, Float64, Float64]

#: Reductions that are never negative, and 0 exactly where all elements are.
_MAGNITUDES = ("ReduceL1", "ReduceL2", "ReduceSumSquare")


@rule(
    "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", *_MAGNITUDES, "ReduceProd", "ReduceLogSumExp", "ReduceLogSum"
)
def _reduce(view: View) -> None:
    """Axes are an attribute, or an input (ReduceSum since version 13, the others since 18)."""
    full = view.fact(0)
    axes = _axes(view, full.rank)
    if axes is None:
        view.give_rearranged(full)
        return
    x = view.collapsed(full, but=tuple(axis for axis in range(full.rank) if axis not in axes))
    number = view.combine((view.node.op, axes, x.slice_shape), x.number)
    keeps = bool(view.attribute("keepdims", 1))
    extents = tuple(n for axis, n in enumerate(x.extents) if keeps or axis not in axes)
    constant, low, high = _values(view.node.op, full, axes)
    if view.node.op == "ReduceSum" and len(axes) == 1:
        constant, low, high = _narrowed((constant, low, high), full, axes[0], weighted_by_shares(view, full, axes[0]))
    view.give(number.reshape(extents), constant.reshape(extents), low.reshape(extents), high.reshape(extents))


def _axes(view: View, rank: int) -> tuple[int, ...] | None:
    """The axes that are reduced; None where the node does nothing."""
    given = view.integers(1) if view.has(1) else view.attribute("axes")
    if not given and int(view.attribute("noop_with_empty_axes", 0)):
        return None
    return tuple(sorted(int(axis) % rank for axis in given)) if given else tuple(range(rank))


def _narrowed(found: Found, x: Fact, axis: int, values: Fact | None) -> Found:
    """A sum of values weighted by the shares of a Softmax lies between them."""
    if values is None:
        return found
    constant, low, high = found
    least, most = mean_bounds(values, np.inf if axis in x.free else x.sizes[axis], x.dtype)
    return np.where(np.isnan(constant), values.constant, constant), np.fmax(low, least), np.fmin(high, most)


def _values(op: str, x: Fact, axes: tuple[int, ...]) -> Found:
    """Value, lower and upper bound of the result. Elements that are told apart along what is reduced are reduced one by
    one; each stands for as many as there are along the other axes."""
    free = any(axis in x.free for axis in axes)
    each = prod(x.sizes[axis] for axis in axes if not x.told_apart(axis))
    apart = prod(x.extents[axis] for axis in axes)

    def together(function: Callable[..., Any], array: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(function(array, axis=axes, keepdims=True))

    def upper(terms: Float64, operations: float) -> Float64:
        magnitude = margin(together(np.sum, np.abs(terms)), operations, x.dtype)
        return not_above_zero(together(np.sum, terms) + magnitude, together(np.all, terms <= 0))

    nothing = np.full(together(np.max, x.low).shape, np.nan)
    if op in ("ReduceMax", "ReduceMin"):
        choose = np.max if op == "ReduceMax" else np.min
        return together(choose, x.constant), together(choose, x.low), together(choose, x.high)
    if op == "ReduceMean":
        operations = (MANY if free else each * apart) + 2
        low, high = -upper(-x.low / apart, operations), upper(x.high / apart, operations)
        return together(np.mean, x.constant), low, high
    if op == "ReduceSum":
        most, least = (np.inf, 0.0) if free else (float(each), float(each))
        low = -upper(-np.where(x.low >= 0, least * x.low, most * x.low), most * apart)
        high = upper(np.where(x.high <= 0, least * x.high, most * x.high), most * apart)
        return nothing if free else each * together(np.sum, x.constant), low, high
    zero = together(np.all, (x.low == 0) & (x.high == 0))
    if op in _MAGNITUDES:
        return nothing, np.zeros(nothing.shape), np.where(zero, 0.0, np.inf)
    return nothing, nothing, nothing

"""Reductions over axes, which are an attribute in older versions and an input in newer ones."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from graphmorph.torch_door.translation.operands import (
    axis_of,
    constant_number,
    is_float,
    optional_ints,
    rank_of,
    require,
    shared_type,
    size_at,
    traced,
)
from graphmorph.torch_door.translation_table import Translation, translates

Reduction = Callable[[Translation, fx.Node, tuple[int, ...], bool], fx.Node]

#: The version of each operator from which its axes are an input.
_AXES_INPUT = {"ReduceSum": 13}


def _axes(t: Translation) -> tuple[int, ...]:
    """The reduced axes, counted from the front where the rank is known; () for none of them."""
    if t.version >= _AXES_INPUT.get(t.node.op, 18):
        axes = optional_ints(t, 1)
    else:
        axes = [int(axis) for axis in t.attr("axes") or ()]
    if not axes:
        return () if t.attr("noop_with_empty_axes", 0) else tuple(range(rank_of(t)))
    return tuple(axes)


def _reduces(reduction: Reduction) -> Callable[[Translation], fx.Node]:
    def reduce(t: Translation) -> fx.Node:
        return reduction(t, traced(t), _axes(t), bool(t.attr("keepdims", 1)))

    return reduce


def _sum(t: Translation, x: fx.Node, axes: tuple[int, ...], keep: bool) -> fx.Node:
    """The sum in the element type of the input: torch's own would widen integers."""
    if not axes:
        return x
    dtype = shared_type(t)
    return t.call(torch.sum, x, axes, keep, **({} if is_float(dtype) else {"dtype": dtype}))


def _mean(t: Translation, x: fx.Node, axes: tuple[int, ...], keep: bool) -> fx.Node:
    require(t, is_float(shared_type(t)), f"the mean of {shared_type(t)}", "cast to float before it")
    return t.call(torch.mean, x, axes, keep) if axes else x


def _extreme(function: Callable[..., Any]) -> Reduction:
    def reduce(t: Translation, x: fx.Node, axes: tuple[int, ...], keep: bool) -> fx.Node:
        empty = any(size_at(t, axis) == 0 for axis in axes)
        require(t, not empty, "it reduces an axis of size 0", "torch has no least or greatest element of none")
        return t.call(function, x, axes, keep) if axes else x

    return reduce


def _product(t: Translation, x: fx.Node, axes: tuple[int, ...], keep: bool) -> fx.Node:
    """torch.prod takes one axis, so they go one at a time, the last one first."""
    dtype = shared_type(t)
    places = axes if len(axes) == 1 else tuple(sorted((axis_of(t, axis) for axis in axes), reverse=True))
    for axis in places:
        x = t.call(torch.prod, x, axis, keep, **({} if is_float(dtype) else {"dtype": dtype}))
    return x


def _sum_of_magnitudes(t: Translation, x: fx.Node, axes: tuple[int, ...], keep: bool) -> fx.Node:
    return _sum(t, t.call(torch.abs, x), axes, keep)


def _sum_of_squares(t: Translation, x: fx.Node, axes: tuple[int, ...], keep: bool) -> fx.Node:
    return _sum(t, t.call(torch.square, x), axes, keep)


def _norm(t: Translation, x: fx.Node, axes: tuple[int, ...], keep: bool) -> fx.Node:
    require(t, is_float(shared_type(t)), f"the norm of {shared_type(t)}", "cast to float before it")
    return t.call(torch.linalg.vector_norm, x, 2, axes, keep) if axes else t.call(torch.abs, x)


def _log_of_sum(t: Translation, x: fx.Node, axes: tuple[int, ...], keep: bool) -> fx.Node:
    require(t, is_float(shared_type(t)), f"the logarithm of {shared_type(t)}", "cast to float before it")
    return t.call(torch.log, _sum(t, x, axes, keep))


def _log_of_sum_of_exponentials(t: Translation, x: fx.Node, axes: tuple[int, ...], keep: bool) -> fx.Node:
    require(t, is_float(shared_type(t)), f"the logarithm of {shared_type(t)}", "cast to float before it")
    return t.call(torch.logsumexp, x, axes, keep) if axes else x


_TABLE: dict[str, tuple[Reduction, tuple[int, ...]]] = {
    "ReduceSum": (_sum, (1, 11, 13)),
    "ReduceMean": (_mean, (1, 11, 13, 18)),
    "ReduceMax": (_extreme(torch.amax), (1, 11, 12, 13, 18, 20)),
    "ReduceMin": (_extreme(torch.amin), (1, 11, 12, 13, 18, 20)),
    "ReduceProd": (_product, (1, 11, 13, 18)),
    "ReduceL1": (_sum_of_magnitudes, (1, 11, 13, 18)),
    "ReduceL2": (_norm, (1, 11, 13, 18)),
    "ReduceSumSquare": (_sum_of_squares, (1, 11, 13, 18)),
    "ReduceLogSum": (_log_of_sum, (1, 11, 13, 18, 28)),
    "ReduceLogSumExp": (_log_of_sum_of_exponentials, (1, 11, 13, 18, 28)),
}
for _op, (_reduction, _versions) in _TABLE.items():
    translates(_op, *_versions)(_reduces(_reduction))


@translates("ArgMax", 1, 11, 12, 13)
def arg_max(t: Translation) -> fx.Node:
    """The index of the greatest element along an axis, of equal ones the first or the last."""
    return _index(t, torch.argmax)


@translates("ArgMin", 1, 11, 12, 13)
def arg_min(t: Translation) -> fx.Node:
    """The index of the least element along an axis, of equal ones the first or the last."""
    return _index(t, torch.argmin)


def _index(t: Translation, function: Callable[..., Any]) -> fx.Node:
    axis, keep, x = int(t.attr("axis", 0)), bool(t.attr("keepdims", 1)), t.value(0)
    if not t.attr("select_last_index", 0):
        return t.call(function, x, axis, keep)
    found = t.call(function, t.call(torch.flip, x, (axis,)), axis, keep)
    last = t.call(operator.sub, t.method("size", x, axis), 1)
    return t.call(operator.sub, last, found)


@translates("CumSum", 11, 14)
def cumulative_sum(t: Translation) -> fx.Node:
    """The sum of the elements up to each one along an axis: itself included or not, from either end."""
    axis, x, dtype = int(constant_number(t, 1)), traced(t), shared_type(t)
    if t.attr("reverse", 0):
        x = t.call(torch.flip, x, (axis,))
    x = t.call(torch.cumsum, x, axis, **({} if is_float(dtype) else {"dtype": dtype}))
    if t.attr("exclusive", 0):
        # Not the sum less the element itself: that would round once more.
        count = t.call(operator.sub, t.method("size", x, axis), 1)
        first = t.call(torch.zeros_like, t.call(torch.narrow, x, axis, 0, 1))
        x = t.call(torch.cat, [first, t.call(torch.narrow, x, axis, 0, count)], axis)
    return t.call(torch.flip, x, (axis,)) if t.attr("reverse", 0) else x

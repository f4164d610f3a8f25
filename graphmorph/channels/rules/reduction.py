"""Reductions: an axis that is reduced goes, and whatever is removed along it must not count."""

from __future__ import annotations

from graphmorph.channels.elements import Axes, ReadKind
from graphmorph.channels.view import View, rule

_KINDS: dict[str, ReadKind] = {
    "ReduceSum": "sum",
    "ReduceL1": "sum",
    "ReduceL2": "sum",
    "ReduceSumSquare": "sum",
    "ReduceLogSum": "sum",
    "ReduceMean": "mean",
    "ReduceMax": "maximum",
    "ReduceMin": "minimum",
}


@rule(*_KINDS, "ReduceProd", "ReduceLogSumExp")
def reduce(view: View) -> None:
    """Reduce...: the axes are an attribute or an input, by version; without any, all are reduced."""
    axes = _reduced(view)
    if axes is None:
        view.stop("the axes of the reduction are not constant")
        return
    kind = _KINDS.get(view.node.op)
    for axis in axes:
        if kind is None:
            view.wall(view.axes(0)[axis], "is reduced so that a removed element would count")
        else:
            view.read(kind, 0, axis)
    view.give(without(view.axes(0), axes, keep=bool(view.attribute("keepdims", 1))))


def without(axes: Axes, reduced: list[int], *, keep: bool) -> Axes:
    """What is left of the axes: those that were reduced have size 1, or are gone."""
    if keep:
        return tuple(None if place in reduced else axis for place, axis in enumerate(axes))
    return tuple(axis for place, axis in enumerate(axes) if place not in reduced)


def _reduced(view: View) -> list[int] | None:
    axes = view.attribute("axes")
    if axes is None and view.has(1):
        axes = view.integers(1)
        if axes is None:
            return None
    if not axes:
        return [] if view.attribute("noop_with_empty_axes", 0) else list(range(view.rank(0)))
    return [view.normal(int(axis)) for axis in axes]


@rule("ArgMax", "ArgMin")
def arg(view: View) -> None:
    """ArgMax and ArgMin count along an axis, which must stay."""
    axis = view.normal(int(view.attribute("axis", 0)))
    view.wall(view.axes(0)[axis], "its elements are counted")
    view.give(without(view.axes(0), [axis], keep=bool(view.attribute("keepdims", 1))))

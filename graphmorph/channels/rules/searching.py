"""Operators along one axis whose elements are ordered or counted: that axis stays, the others pass."""

from __future__ import annotations

from graphmorph.channels.view import View, rule


@rule("TopK")
def top_k(view: View) -> None:
    """TopK: values and indices."""
    x = list(view.axes(0))
    axis = view.normal(int(view.attribute("axis", -1)))
    view.wall(x[axis], "its elements are ordered")
    x[axis] = None
    view.give(tuple(x), tuple(x))


@rule("CumSum", "CumProd")
def cumulative(view: View) -> None:
    """CumSum-11: the axis is an input."""
    axes = view.integers(1)
    if axes is None:
        view.stop("the axis is not constant")
        return
    x = list(view.axes(0))
    axis = view.normal(axes[0])
    view.wall(x[axis], "its elements are summed one after the other")
    x[axis] = None
    view.give(tuple(x))


@rule("OneHot")
def one_hot(view: View) -> None:
    """OneHot: a new axis among those of the indices."""
    axis = int(view.attribute("axis", -1))
    x = list(view.axes(0))
    x.insert(axis + len(x) + 1 if axis < 0 else axis, None)
    view.give(tuple(x))


@rule("Trilu")
def triangle(view: View) -> None:
    """Trilu: the last two axes are counted."""
    x = view.axes(0)
    for axis in x[-2:]:
        view.wall(axis, "its elements are counted")
    view.give((*x[:-2], None, None))

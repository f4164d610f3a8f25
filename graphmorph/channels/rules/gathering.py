"""Operators that take some elements of an axis: Gather, Slice, Split."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from graphmorph.channels.elements import Axis
from graphmorph.channels.view import View, rule


@rule("Gather")
def gather(view: View) -> None:
    """Gather: the axis becomes those of the indices. Constant indices, up to a vector, say which elements are read."""
    x = view.axes(0)
    axis = view.normal(int(view.attribute("axis", 0)))
    indices = view.array(1) if view.is_constant(1) else None
    if x[axis] is not None and indices is not None and indices.ndim < 2:
        picked = _picked(view, x[axis], indices)
    else:
        view.wall(x[axis], "is looked up by indices")
        picked = view.axes(1)
    view.give((*x[:axis], *picked, *x[axis + 1 :]))


def _picked(view: View, ids: Axis, indices: np.ndarray) -> tuple[Axis, ...]:
    """The elements that a scalar or a vector of indices takes; one that is taken alone must stay."""
    assert ids is not None
    taken = ids[np.asarray(indices, dtype=np.int64)]
    if indices.size == 1:
        view.wall(taken.reshape(-1), "is taken by its index")
        return (None,) * indices.ndim
    return (taken,)


@rule("GatherElements")
def gather_elements(view: View) -> None:
    """GatherElements: indices of the shape of the output; nothing of it is looked through."""
    view.wall_all(0, "is looked up by indices")
    view.wall_all(1, "says which elements are looked up")
    view.give()


@rule("GatherND")
def gather_nd(view: View) -> None:
    """GatherND: leading axes are looked up, the rest passes."""
    batch = int(view.attribute("batch_dims", 0))
    looked_up = batch + view.size(1)[-1]
    view.wall_all(0, "is looked up by indices", but=range(looked_up, view.rank(0)))
    view.wall_all(1, "says which elements are looked up")
    view.give((*(None,) * (view.rank(1) - 1), *view.axes(0)[looked_up:]))


@rule("Slice")
def slice_axes(view: View) -> None:
    """Slice: constant bounds take a range of elements, in steps; others keep all of their axis."""
    bounds = slice_bounds(view)
    x = list(view.axes(0))
    if bounds is None:
        for place, (size, output) in enumerate(zip(view.size(0), view.output_size(), strict=True)):
            if size != output or view.sizes.is_free(view.node.inputs[0].name, place):
                view.wall(x[place], "is sliced at bounds that are not constant")
                x[place] = None
        view.wall_all(0, "is sliced along axes that are not constant")
        view.give()
        return
    for axis, bound in bounds.items():
        ids = x[axis]
        if bound is None:
            view.wall(ids, "is sliced at bounds that are not constant")
            x[axis] = None
        elif ids is not None:
            taken = ids[bound]
            x[axis] = ids if taken.size == ids.size and bound.step in (None, 1) else taken
    view.give(tuple(None if ids is not None and ids.size < 2 else ids for ids in x))
    for ids in x:
        if ids is not None and ids.size < 2:
            view.wall(ids, "is taken by its index")


def slice_bounds(view: View) -> dict[int, slice | None] | None:
    """The range along each sliced axis; None for one whose bounds are not constant. None if even the axes are not."""
    if "starts" in view.node.attrs:
        starts, ends = list(view.attribute("starts")), list(view.attribute("ends"))
        axes = list(view.attribute("axes") or range(len(starts)))
        return {view.normal(a): slice(s, e) for a, s, e in zip(axes, starts, ends, strict=True)}
    count = view.size(1)[0]
    named = view.integers(3) if view.has(3) else list(range(count))
    if named is None:
        return None
    first, last, steps = view.integers(1), view.integers(2), view.integers(4) if view.has(4) else [1] * count
    if first is None or last is None or steps is None:
        return {view.normal(axis): None for axis in named}
    found: dict[int, slice | None] = {}
    for axis, start, end, step in zip(named, first, last, steps, strict=True):
        size = view.size(0)[view.normal(axis)]
        found[view.normal(axis)] = _range(start, end, step, size)
    return found


def _range(start: int, end: int, step: int, size: int) -> slice:
    """ONNX clamps bounds like Python, but for an end before the first element of a backward slice."""
    if step < 0 and end < -size:
        return slice(min(start, size - 1), None, step)
    return slice(start, end, step)


@rule("Split")
def split(view: View) -> None:
    """Split: consecutive elements, by sizes or in equal parts."""
    x = view.axes(0)
    axis = view.normal(int(view.attribute("axis", 0)))
    places = np.cumsum([0, *(view.output_size(i)[axis] for i in range(len(view.node.outputs)))])
    outputs = []
    for first, last in pairwise(places):
        ids = x[axis]
        part = None if ids is None else ids[int(first) : int(last)]
        if part is not None and part.size == 1:
            view.wall(part, "is split off alone")
            part = None
        outputs.append((*x[:axis], part, *x[axis + 1 :]))
    view.give(*outputs)

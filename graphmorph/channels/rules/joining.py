"""Concat: elements side by side."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.elements import WALL, Axis
from graphmorph.channels.view import View, rule


@rule("Concat")
def concat(view: View) -> None:
    """Concat: along one axis; the others meet. What a constant adds along the axis (class tokens) stays."""
    count = len(view.node.inputs)
    axis = view.normal(int(view.attribute("axis", 0)))
    found: list[Axis] = list(view.axes(0))
    for place in range(len(found)):
        if place != axis:
            for index in range(1, count):
                found[place] = view.link(found[place], view.axes(index)[place], "is joined with what must stay")
    for index in range(count):
        if view.is_constant(index):
            view.wall(view.axes(index)[axis], "is a constant that is joined on")
    if all(view.axes(index)[axis] is None for index in range(count)):
        found[axis] = None
    else:
        found[axis] = np.concatenate([_part(view, index, axis) for index in range(count)])
    view.give(tuple(found))


def _part(view: View, index: int, axis: int) -> np.ndarray:
    ids = view.axes(index)[axis]
    return np.full(view.size(index)[axis], WALL, np.int64) if ids is None else ids

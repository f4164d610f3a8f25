"""Scattering: the axes that are written at indices stay, the others meet."""

from __future__ import annotations

from graphmorph.channels.view import View, rule

_WRITTEN = "is written at indices"


@rule("ScatterND")
def scatter_nd(view: View) -> None:
    """ScatterND: data (a..., b...), indices (..., a), updates (..., b...)."""
    depth = view.size(1)[-1]
    x, updates = list(view.axes(0)), view.axes(2)
    view.wall_all(1, "says where something is written")
    for place in range(depth):
        view.wall(x[place], _WRITTEN)
        x[place] = None
    lead = view.rank(1) - 1
    for place in range(lead):
        view.wall(updates[place], _WRITTEN)
    for place in range(depth, len(x)):
        x[place] = view.link(x[place], updates[lead + place - depth], "is overwritten by what must stay")
    view.give(tuple(x))


@rule("Scatter", "ScatterElements")
def scatter_elements(view: View) -> None:
    """ScatterElements: the shape of the indices says what is written; nothing of it is looked through."""
    for index in range(3):
        view.wall_all(index, _WRITTEN)
    view.give()

"""Scattering: the axes that are written at indices stay, unless these count along them; the others meet."""

from __future__ import annotations

from collections.abc import Iterator

from graphmorph.channels.view import View, rule
from graphmorph.channels.written import Written, written_along

_WRITTEN = "is written at indices"
_OVERWRITTEN = "is overwritten by what must stay"


@rule("ScatterND")
def scatter_nd(view: View) -> None:
    """ScatterND: data (a..., b...), indices (..., a), updates (..., b...)."""
    depth, lead = view.size(1)[-1], view.rank(1) - 1
    x, updates = list(view.axes(0)), view.axes(2)
    view.wall_all(1, "says where something is written")
    passes = {one.axis: one for one in _counted(view)}
    for place in range(depth):
        ids = x[place]
        if place not in passes or ids is None:
            view.wall(ids, _WRITTEN)
            x[place] = None
        else:
            view.link(ids[passes[place].taken], updates[passes[place].lead], _OVERWRITTEN)
    for place in set(range(lead)) - {one.lead for one in passes.values() if x[one.axis] is not None}:
        view.wall(updates[place], _WRITTEN)
    for place in range(depth, len(x)):
        x[place] = view.link(x[place], updates[lead + place - depth], _OVERWRITTEN)
    view.give(tuple(x))


def _counted(view: View) -> Iterator[Written]:
    """Axes along which constant indices count. A traced call has numbers of its own, which stay as they are."""
    if view.is_constant(1) and view.facts.graph.traced is None:
        yield from written_along(view.array(1), view.size(0))


@rule("Scatter", "ScatterElements")
def scatter_elements(view: View) -> None:
    """ScatterElements: the shape of the indices says what is written; nothing of it is looked through."""
    for index in range(3):
        view.wall_all(index, _WRITTEN)
    view.give()

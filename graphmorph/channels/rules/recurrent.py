"""Recurrent layers: hidden units are tied across gates, directions and time."""

from __future__ import annotations

from graphmorph.channels.elements import Axis
from graphmorph.channels.view import View, rule

#: The inputs that are initial states.
_STATES = (5, 6)
_STAYS = "is a hidden unit that must stay"


@rule("LSTM", "GRU", "RNN")
def recurrent(view: View) -> None:
    """X (T, N, I), W (D, gates H, I), R (D, gates H, H), B (D, 2 gates H), initial_h, initial_c (D, N, H), P (D, 3 H).

    Outputs Y (T, D, N, H), Y_h and Y_c (D, N, H).
    """
    if view.attribute("layout", 0) or (view.has(4) and not _plain_lengths(view)):
        view.stop("layout=1, or lengths of sequences that have elements")
        return
    for index in (index for index in (1, 2, 3, 5, 6, 7) if view.has(index)):
        for place in range(2 if index in _STATES else 1):
            view.wall_axis(index, place, "is a direction, or a sample")
    hidden = view.fresh(int(view.attribute("hidden_size", view.size(2)[2])))
    view.link(view.axes(0)[2], view.axes(1)[2], "is read by weights that must stay")
    view.read("contraction", 0, 2, 1, 2)
    for index in (1, 2):
        _tie(view, view.axes(index)[1], hidden)
    view.link(hidden, view.axes(2)[2], _STAYS)
    view.read("contraction", 2, 2)
    if view.has(3):
        _tie(view, view.axes(3)[1], hidden)
    for index in _STATES:
        if view.has(index):
            view.link(hidden, view.axes(index)[2], _STAYS)
    if view.has(7):
        _tie(view, view.axes(7)[1], hidden)
    last = (None, None, hidden)
    view.give((None, None, None, hidden), last, last)


def _plain_lengths(view: View) -> bool:
    return all(axis is None for axis in view.axes(4)) or view.is_constant(4)


def _tie(view: View, axis: Axis, hidden: Axis) -> None:
    """The rows of every gate are those of the hidden units."""
    if axis is None or hidden is None:
        view.wall(axis, _STAYS)
        view.wall(hidden, _STAYS)
        return
    for gate in axis.reshape(-1, hidden.size):
        view.link(hidden, gate, _STAYS)

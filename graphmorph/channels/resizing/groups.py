"""Attributes that count groups, heads or hidden units of an axis."""

from __future__ import annotations

from graphmorph.channels.resizing.arrangement import Places, groups_in
from graphmorph.channels.resizing.resized import Resized, resizer


@resizer("Conv")
def conv(node: Resized) -> None:
    """Conv: x (N, C, ...), weight (O, C/group, ...)."""
    _regroup(node, node.size_after(0, 1), node.size_after(1, 1), node.size_after(1, 0))


@resizer("ConvTranspose")
def conv_transpose(node: Resized) -> None:
    """ConvTranspose: x (N, C, ...), weight (C, O/group, ...)."""
    _regroup(node, node.output_after()[1], node.size_after(1, 1), node.size_after(0, 1))


def _regroup(node: Resized, channels: int, per_group: int, others: int) -> None:
    """channels = group per_group; the groups cut the other side, too."""
    before = int(node.attribute("group", 1))
    group = channels // per_group
    if channels % per_group or others % group:
        raise node.refused(f"{channels} and {others} channels cannot be cut into groups of {per_group}")
    if before > 1:
        for places, size in ((node.places(0, 1), node.before(0)[1]), (node.output_places(1), node.output_before()[1])):
            if places is not None and groups_in(places, size // before) != group:
                raise node.refused(f"its {before} groups do not lose, or gain, the same channels")
    if group != before:
        node.set_attribute("group", group)


@resizer("GroupNormalization")
def group_norm(node: Resized) -> None:
    """GroupNormalization: x (N, C, ...), num_groups."""
    places = node.places(0, 1)
    if places is not None:
        node.set_attribute("num_groups", _groups(node, places, int(node.attribute("num_groups"))))


def _groups(node: Resized, places: Places, groups: int) -> int:
    found = groups_in(places, node.before(0)[1] // groups)
    if found is None:
        raise node.refused(f"its {groups} groups do not lose, or gain, the same channels")
    return found


@resizer("LSTM", "GRU", "RNN")
def recurrent(node: Resized) -> None:
    """W (directions, gates H, I), R (directions, gates H, H)."""
    hidden = node.before(2)[2]
    places = node.places(1, 1)
    gates = node.before(1)[1] // hidden
    if places is not None and gates > 1 and groups_in(places, hidden) != gates:
        raise node.refused(f"its {gates} gates do not lose, or gain, the same hidden units")
    if "hidden_size" in node.node.attrs:
        node.set_attribute("hidden_size", node.size_after(2, 2))

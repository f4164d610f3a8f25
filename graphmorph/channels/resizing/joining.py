"""Operators that put elements side by side state no sizes, but copies have to lie in the same order on both sides."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.resizing.arrangement import Places
from graphmorph.channels.resizing.resized import Resized, resizer


@resizer("Concat")
def concat(node: Resized) -> None:
    """Concat: one input after the other."""
    axis = node.normal(int(node.attribute("axis", 0)))
    if node.has_changed(axis):
        parts = [_of_input(node, index, axis) for index in range(len(node.node.inputs))]
        starts = np.cumsum([0, *(node.before(index)[axis] for index in range(len(parts)))])
        _require_same(node, np.concatenate([part + first for part, first in zip(parts, starts, strict=False)]), axis)


@resizer("Tile")
def tile(node: Resized) -> None:
    """Tile: an axis, again and again."""
    for axis in range(len(node.before(0))):
        if node.has_changed(axis):
            count = node.output_before()[axis] // node.before(0)[axis]
            _require_same(node, _repeated(_of_input(node, 0, axis), node.before(0)[axis], count), axis)


@resizer("SpaceToDepth")
def space_to_depth(node: Resized) -> None:
    """SpaceToDepth: the channels, once for every position of a block."""
    if node.has_changed(1):
        size = node.before(0)[1]
        _require_same(node, _repeated(_of_input(node, 0, 1), size, node.output_before()[1] // size), 1)


@resizer("DepthToSpace")
def depth_to_space(node: Resized) -> None:
    """DepthToSpace: the channels, once for every position of a block (DCR), or every position of a channel (CRD)."""
    made, read = node.output_places(1), node.places(0, 1)
    if made is None and read is None:
        return
    size = node.output_before()[1]
    count = node.before(0)[1] // size
    made = np.arange(size) if made is None else made
    if node.attribute("mode", "DCR") in ("CRD", b"CRD"):
        wanted = _in_blocks(made, count)
    else:
        wanted = _repeated(made, size, count)
    if not np.array_equal(_of_input(node, 0, 1), wanted):
        raise node.refused("what is copied would not lie side by side")


def _of_input(node: Resized, index: int, axis: int) -> Places:
    places = node.places(index, axis)
    return np.arange(node.before(index)[axis]) if places is None else places


def _repeated(places: Places, size: int, count: int) -> Places:
    """An axis of some size, several times over."""
    return np.concatenate([places + number * size for number in range(count)])


def _in_blocks(places: Places, count: int) -> Places:
    """An axis of which every element is `count` elements: copies of an element lie behind all of them."""
    blocks: Places = (places[:, None] * count + np.arange(count)).reshape(-1)
    return blocks


def _require_same(node: Resized, wanted: Places, axis: int) -> None:
    made = node.output_places(axis)
    if made is None or not np.array_equal(made, wanted):
        raise node.refused("what is copied would not lie side by side")

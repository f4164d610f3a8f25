"""Gather: constant indices into an axis that gains or loses elements."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.resizing.arrangement import copy_numbers, located
from graphmorph.channels.resizing.resized import Resized, resizer


@resizer("Gather")
def gather(node: Resized) -> None:
    """Gather: indices up to a vector, which say where elements, and their copies, are now."""
    axis = node.normal(int(node.attribute("axis", 0)))
    if node.places(0, axis) is None:
        return
    if not node.is_constant(1) or node.array(1).ndim > 1:
        raise node.refused(f"axis {axis} gains or loses elements, and what it looks up there is not constant")
    indices = node.array(1).astype(np.int64)
    indices = np.where(indices < 0, indices + node.before(0)[axis], indices)
    if indices.ndim:
        node.set_integers(1, new_places(node, axis, indices), "indices")
        return
    found = _located(node, axis, indices.reshape(1), np.zeros(1, np.int64))
    if found[0] < 0:
        raise node.refused(f"element {int(indices)} of axis {axis}, the one that it takes, is removed")
    node.set_integers(1, found.reshape(()), "indices")


def new_places(node: Resized, axis: int, taken: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where a node finds what its output will consist of, along an axis of which it took some elements before."""
    made = node.output_places(axis)
    made = np.arange(taken.size) if made is None else made
    return _located(node, axis, taken[made], copy_numbers(made))


def _located(node: Resized, axis: int, wanted: NDArray[np.int64], copies: NDArray[np.int64]) -> NDArray[np.int64]:
    places = node.places(0, axis)
    assert places is not None
    return located(places, wanted, copies)

"""Operators that move or repeat whole axes: Transpose, Squeeze, Unsqueeze, Expand, Tile."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.elements import Axis
from graphmorph.channels.view import View, rule


@rule("Transpose")
def transpose(view: View) -> None:
    """Transpose: axis i of the output is axis perm[i] of the input."""
    x = view.axes(0)
    perm = view.attribute("perm") or range(len(x))[::-1]
    view.give(tuple(x[int(place)] for place in perm))


@rule("Squeeze", "Unsqueeze")
def squeeze(view: View) -> None:
    """Axes of size 1 come and go: the others are the same, in their order."""
    kept = [axis for axis, size in zip(view.axes(0), view.size(0), strict=True) if size != 1]
    sizes = view.output_size()
    if len(kept) != len([size for size in sizes if size != 1]):
        view.stop(f"sizes {view.size(0)} and {sizes}")
        return
    following = iter(kept)
    view.give(tuple(None if size == 1 else next(following) for size in sizes))


@rule("Expand")
def expand(view: View) -> None:
    """Expand: an axis of size 1 becomes new elements, all alike, where its size is known for good."""
    sizes, given = view.output_size(), view.size(0)
    x = (None,) * (len(sizes) - len(given)) + view.axes(0)
    before = (1,) * (len(sizes) - len(given)) + given
    output = view.node.outputs[0].name
    constant = view.is_constant(1)
    found: list[Axis] = []
    for place, (size, old) in enumerate(zip(sizes, before, strict=True)):
        if size == old:
            found.append(x[place])
        else:
            found.append(view.fresh(size) if constant and not view.sizes.is_free(output, place) else None)
    view.give(tuple(found))


@rule("Tile")
def tile(view: View) -> None:
    """Tile: copies of an axis, which live and die with it; those of a single element stay."""
    repeats = view.integers(1)
    if repeats is not None:
        pairs = zip(view.axes(0), repeats, strict=True)
        view.give(tuple(None if ids is None else np.tile(ids, count) for ids, count in pairs))
        return
    output, found = view.node.outputs[0].name, list(view.axes(0))
    for place, (before, after) in enumerate(zip(view.size(0), view.output_size(), strict=True)):
        if before != after or view.sizes.is_free(output, place):
            view.wall(found[place], "is repeated a number of times that is not constant")
            found[place] = None
    view.give(tuple(found))


@rule("ReverseSequence")
def reverse_sequence(view: View) -> None:
    """ReverseSequence: time is reversed, so it stays."""
    axes = (int(view.attribute("batch_axis", 1)), int(view.attribute("time_axis", 0)))
    for axis in axes:
        view.wall(view.axes(0)[axis], "is an axis of a reversed sequence")
    view.give(tuple(None if place in axes else ids for place, ids in enumerate(view.axes(0))))

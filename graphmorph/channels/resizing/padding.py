"""Pad: as many new elements as there are of those that it adds."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.resizing.resized import Resized, resizer


@resizer("Pad")
def pad(node: Resized) -> None:
    """Pad: an attribute before opset 11, an input since; opset 18 may name axes."""
    attribute = "pads" in node.node.attrs
    pads = [int(n) for n in node.attribute("pads")] if attribute else node.integers(1)
    axes = node.integers(3) if node.has(3) else list(range(len(node.before(0))))
    if pads is None or axes is None:
        raise node.refused("the widths that it pads by are not constant")
    for place, axis in enumerate(axes):
        if node.has_changed(node.normal(axis)):
            widths = pads[place], pads[place + len(axes)]
            pads[place], pads[place + len(axes)] = _widths(node, node.normal(axis), *widths)
    if attribute:
        node.set_attribute("pads", pads)
    else:
        node.set_integers(1, pads, "pads")


def _widths(node: Resized, axis: int, before: int, after: int) -> tuple[int, int]:
    """How many elements there are of each border."""
    places, inside = node.output_places(axis), node.places(0, axis)
    assert places is not None
    size = node.before(0)[axis]
    kept = np.arange(size) if inside is None else inside
    first, last = int((places < before).sum()), int((places >= before + size).sum())
    if not np.array_equal(places[first : places.size - last], kept + before):
        raise node.refused("what it pads with would not lie at the border")
    return first, last

"""Resize and Upsample: sizes follow; a scale stays, so axes that gain or lose elements must not be scaled."""

from __future__ import annotations

from graphmorph.channels.resizing.resized import Resized, resizer
from graphmorph.channels.resizing.size_vectors import set_entries

_SIZES = 3


@resizer("Resize", "Upsample")
def resize(node: Resized) -> None:
    """Resize: sizes are input 3 since opset 11, of some axes alone since 18; Upsample has scales alone."""
    axes = [node.normal(int(axis)) for axis in node.attribute("axes", range(len(node.before(0))))]
    changed = {place: axis for place, axis in enumerate(axes) if node.has_changed(axis)}
    if node.has(_SIZES):
        set_entries(node, _SIZES, {place: node.output_after()[axis] for place, axis in changed.items()}, "sizes")
        return
    for axis in changed.values():
        if node.after(0)[axis] != node.output_after()[axis]:
            raise node.refused(f"axis {axis} gains or loses elements, and is scaled")

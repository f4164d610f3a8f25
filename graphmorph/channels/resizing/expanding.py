"""Expand: the sizes that it asks for are aligned at the end, and 1 where the input decides."""

from __future__ import annotations

from graphmorph.channels.resizing.resized import Resized, resizer
from graphmorph.channels.resizing.size_vectors import set_entries


@resizer("Expand")
def expand(node: Resized) -> None:
    """Expand-8: input, shape."""
    sizes = node.output_after()
    count = node.before(1)[0]
    offset = len(sizes) - count
    asked = node.integers(1)
    changed = [place for place in range(count) if node.has_changed(place + offset)]
    wanted = {place: sizes[place + offset] for place in changed if asked is None or asked[place] != 1}
    for place in wanted:
        if node.is_free(place + offset):
            raise node.refused(f"axis {place + offset} has no fixed size, and the size that it asks for is computed")
    set_entries(node, 1, wanted, "shape")

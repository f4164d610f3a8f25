"""Split: the sizes of its parts."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.resizing.arrangement import Places
from graphmorph.channels.resizing.resized import Resized, resizer

#: The sizes of the parts are an input since this version.
_INPUT_SINCE = 13

#: Before this version, parts that are not given are all equal; since then the last may be smaller.
_UNEVEN_SINCE = 18


@resizer("Split")
def split(node: Resized) -> None:
    """Split: sizes in an attribute before opset 13, then in an input; num_outputs (18) means equal parts."""
    axis = node.normal(int(node.attribute("axis", 0)))
    places = node.places(0, axis)
    if places is None:
        return
    count = len(node.node.outputs)
    ends = np.cumsum([0, *(node.output_before(i)[axis] for i in range(count))])
    made = [first + _places(node, axis, index) for index, first in enumerate(ends[:-1])]
    if not np.array_equal(np.concatenate(made), places):
        raise node.refused("what is copied would not lie in one part")
    parts = [int(part.size) for part in made]
    explicit = "split" in node.node.attrs or node.has(1)
    even = node.opset >= _UNEVEN_SINCE or len(set(parts)) == 1
    if not explicit and even and parts == _equal(int(places.size), count):
        return
    if node.opset < _INPUT_SINCE:
        node.set_attribute("split", parts)
    else:
        node.set_integers(1, parts, "split")
        node.set_attribute("num_outputs", None)


def _places(node: Resized, axis: int, index: int) -> Places:
    places = node.output_places(axis, index)
    return np.arange(node.output_before(index)[axis]) if places is None else places


def _equal(size: int, count: int) -> list[int]:
    """Parts of a size: all equal but for the last, which may be smaller."""
    part = -(-size // count)
    return [*[part] * (count - 1), size - part * (count - 1)]

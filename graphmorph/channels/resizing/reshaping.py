"""Reshape: the sizes that it asks for.

A constant target keeps its entries 0 and -1 where they are still right, so free sizes stay free. A computed one is not
traced back: sizes that are the same in every run are written down, the others are copied (0) or inferred (-1), and
where neither does, the computed entry is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.channels.factors import aligned
from graphmorph.channels.resizing.arrangement import Places, copy_numbers
from graphmorph.channels.resizing.resized import Resized, resizer
from graphmorph.channels.resizing.size_vectors import set_entries

_COPIED, _INFERRED = 0, -1


@resizer("Reshape")
def reshape(node: Resized) -> None:
    """Reshape: data, shape (an attribute before opset 5), allowzero (14)."""
    _require_order(node)
    if "shape" in node.node.attrs:
        node.set_attribute("shape", _rewritten(node, node.attribute("shape")))
        return
    target = node.integers(1)
    if target is not None:
        node.set_integers(1, _rewritten(node, target), "shape")
    else:
        _computed(node)


@resizer("Flatten")
def flatten(node: Resized) -> None:
    """Flatten says no sizes."""
    _require_order(node)


def _require_order(node: Resized) -> None:
    """See that elements are where they are looked for.

    Raises:
        RefusedError: they are not.
    """
    if prod(node.after(0)) != prod(node.output_after()):
        raise node.refused(f"{node.after(0)} cannot be reshaped to {node.output_after()}")
    for block in aligned(node.before(0), node.output_before()) or ():
        changed = [node.places(0, span.axis) for span in block.inputs]
        changed += [node.output_places(span.axis) for span in block.outputs]
        if all(places is None for places in changed):
            continue
        read = _order([(node.before(0)[span.axis], node.places(0, span.axis)) for span in block.inputs])
        made = _order([(node.output_before()[span.axis], node.output_places(span.axis)) for span in block.outputs])
        if not np.array_equal(read, made):
            raise node.refused("what is copied would not lie side by side")


def _order(axes: Sequence[tuple[int, Places | None]]) -> NDArray[np.int64]:
    """(2, new size) for every element of merged axes, the element that it is made of and which copy of it.

    axes: sizes before, and what they consist of afterwards.
    """
    order = np.zeros((2, 1), np.int64)
    for size, places in axes:
        along = np.arange(size) if places is None else places
        here = np.stack([along, copy_numbers(along)])
        order = (order[:, :, None] * np.array([size, 1])[:, None, None] + here[:, None, :]).reshape(2, -1)
    return order


def _rewritten(node: Resized, target: Sequence[int]) -> list[int]:
    sizes, copied = node.output_after(), not node.attribute("allowzero", 0)
    entries = []
    for place, entry in enumerate(target):
        right = entry == _INFERRED or (entry == 0 and copied and node.after(0)[place] == sizes[place])
        if not right and node.is_free(place):
            raise node.refused(f"axis {place} has no fixed size, and is not that of its input any more")
        entries.append(int(entry) if right else sizes[place])
    return entries


def _computed(node: Resized) -> None:
    known: dict[int, int] = {}
    free = []
    for place, size in enumerate(node.output_after()):
        if node.is_free(place):
            free.append(place)
        else:
            known[place] = size
    left = [place for place in free if place not in _unchanged(node)] if len(free) > 1 else free
    if len(left) <= 1:
        known |= {place: _INFERRED if place in left else _COPIED for place in free}
        node.set_integers(1, [known[place] for place in range(len(known))], "shape")
        node.set_attribute("allowzero", None)
        return
    resized = [place for place in left if node.has_changed(place)]
    if resized and (len(resized) > 1 or _may_infer(node)):
        raise node.refused(f"axis {resized[0]} has no fixed size, and the size that it asks for is computed")
    set_entries(node, 1, {**known, **dict.fromkeys(resized, _INFERRED)}, "shape")


def _unchanged(node: Resized) -> set[int]:
    """Axes that are those of the input, at the same place."""
    blocks = aligned(node.before(0), node.output_before()) or ()
    pairs = [(b.inputs[0].axis, b.outputs[0].axis) for b in blocks if len(b.inputs) == len(b.outputs) == 1]
    return {one for one, other in pairs if one == other and node.after(0)[one] == node.output_after()[one]}


def _may_infer(node: Resized) -> bool:
    """Whether the computed target may have a -1 of its own; there can be one only."""
    producer = node.analysis.facts.producer.get(node.node.inputs[1].name)
    if producer is None or producer.op != "Concat":
        return True
    parts = [t for t in producer.inputs if isinstance(t, gs.Constant)]
    return any(_INFERRED in node.analysis.facts.integers(part) for part in parts)

"""Shape: what is computed from a size must not follow it.

The scale of an attention, the root of the size of its heads, stays what it was when heads lose elements; so does a size
that broadcasts a tensor which loses none. Nodes whose own sizes change have been given new ones by then.
"""

from __future__ import annotations

from collections.abc import Set
from math import prod

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.channels.resizing.resized import Resized
from graphmorph.channels.resizing.size_vectors import chosen_entries
from graphmorph.facts import Facts, Reader


def freeze_shape(node: Resized) -> None:
    """Let those who read a size that changes read what it was. To be called after all resizing functions.

    Shape: start and end since opset 15. Size. Sizes that are free follow: they are multiples of something else.

    Raises:
        RefusedError: the size is read from outside of the graph, or a Size counts elements of free axes, too.
    """
    output = node.node.outputs[0]
    before, axes = node.before(0), range(len(node.before(0)))
    if node.node.op == "Shape":
        axes = axes[slice(node.attribute("start", 0), node.attribute("end", None))]
    free = [node.analysis.sizes.is_free(node.node.inputs[0].name, axis) for axis in axes]
    frozen = {
        place: before[axis] for place, axis in enumerate(axes) if node.places(0, axis) is not None and not free[place]
    }
    facts, staged = node.analysis.facts, node.editor.edit.rereads
    readers = [
        reader
        for reader in facts.readers[output.name]
        if (id(reader.node), reader.index) not in staged
        and (node.node.op == "Size" or _uses(reader, set(frozen), facts))
    ]
    if not frozen or not (readers or facts.is_pinned(output.name)):
        return
    if facts.is_pinned(output.name) or (node.node.op == "Size" and any(free)):
        raise node.refused(f"{before} loses elements, and what is computed from its size would change")
    if node.node.op == "Size":
        sizes: gs.Tensor = node.editor.values(f"{node.name}_before", np.array(prod(before), np.int64))
    else:
        sizes = chosen_entries(node, output, len(axes), frozen, "before", ahead_of=readers[0].node)
    for reader in readers:
        node.editor.reread(reader.node, reader.index, sizes)


def _uses(reader: Reader, places: Set[int], facts: Facts) -> bool:
    """Whether a node picks one of these entries of a vector of sizes."""
    node = reader.node
    constant = all(isinstance(t, gs.Constant) for t in node.inputs[1:] if t.name)
    if reader.index or not constant or not facts.is_standard(node) or node.op not in ("Gather", "Slice"):
        return True
    sizes = facts.shape(node.inputs[0])
    count = sizes[0] if sizes and isinstance(sizes[0], int) else max(places, default=0) + 1
    if node.op == "Gather":
        return bool(places & {index % count for index in facts.integers(node.inputs[1])})
    if len(node.inputs) < 3:
        return True
    start, end = (facts.integers(node.inputs[index])[0] for index in (1, 2))
    step = facts.integers(node.inputs[4])[0] if len(node.inputs) > 4 else 1
    return step < 0 or bool(places & set(range(count)[start:end:step]))

"""Inputs that are vectors of sizes: entries are rewritten in constants, or chosen over those that are computed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.channels.resizing.resized import Resized

#: Where-9 is the first that there is.
_FIRST_WHERE = 9


def set_entries(node: Resized, index: int, wanted: Mapping[int, int], role: str) -> None:
    """Let some entries of a vector have other values; those of a computed vector which are not named stay computed.

    Raises:
        RefusedError: the vector is computed, and there is no Where to choose with.
    """
    if node.is_constant(index):
        values = node.array(index).copy()
        values[list(wanted)] = list(wanted.values())
        node.set_integers(index, values, role)
        return
    count = node.before(index)[0]
    if wanted and not _set_in_parts(node, index, wanted):
        vector = chosen_entries(node, node.node.inputs[index], count, wanted, role, ahead_of=node.node)
        node.editor.reread(node.node, index, vector)


def _set_in_parts(node: Resized, index: int, wanted: Mapping[int, int]) -> bool:
    """Rewrite the constants that a vector is joined from; False where an entry is in none, or others read it."""
    facts, vector = node.analysis.facts, node.node.inputs[index]
    joined = facts.producer[vector.name]
    if joined.op != "Concat" or len(facts.readers[vector.name]) > 1 or facts.is_pinned(vector.name):
        return False
    parts = Resized(joined, node.analysis, node.arrangement, node.constants, node.editor)
    ends = np.cumsum([0, *(parts.before(place)[0] for place in range(len(joined.inputs)))])
    of_entry = {entry: int(np.searchsorted(ends, entry, side="right")) - 1 for entry in wanted}
    if not all(parts.is_constant(place) for place in of_entry.values()):
        return False
    for place in set(of_entry.values()):
        values = parts.array(place).copy()
        for entry in (entry for entry in wanted if of_entry[entry] == place):
            values[entry - ends[place]] = wanted[entry]
        parts.set_integers(place, values, "sizes")
    return True


def chosen_entries(
    node: Resized, computed: gs.Tensor, count: int, wanted: Mapping[int, int], role: str, *, ahead_of: gs.Node
) -> gs.Tensor:
    """A vector of sizes with some entries of its own, and the others of one that is computed; a constant where it can.

    Raises:
        RefusedError: there is no Where to choose with.
    """
    editor, name = node.editor, f"{node.name}_{role}"
    values, chosen = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    for place, value in wanted.items():
        values[place], chosen[place] = value, True
    if chosen.all():
        return editor.values(name, values)
    if node.opset < _FIRST_WHERE:
        raise node.refused(f"its {role} is computed, and opset {node.opset} has no Where to correct it")
    output = editor.tensor(computed, name)
    inputs = [editor.values(f"{name}_known", chosen), editor.values(f"{name}_values", values), computed]
    editor.node("Where", f"{node.node.name or node.name}_{role}", inputs, output, ahead_of=ahead_of)
    return output

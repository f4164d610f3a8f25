"""Rearranging elements: every constant is taken along its axes, and every size that a node states is rewritten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.channels import resizing
from graphmorph.channels.analysis import Analysis
from graphmorph.channels.constants import Slot
from graphmorph.channels.elements import Axes
from graphmorph.channels.resizing.arrangement import Arrangement
from graphmorph.channels.resizing.new_constants import NewConstants, Part, Values
from graphmorph.channels.resizing.read_shapes import freeze_shape
from graphmorph.channels.resizing.resized import RESIZERS, Resized
from graphmorph.editor import Editor
from graphmorph.errors import RefusedError
from graphmorph.facts import Dimension, Facts
from graphmorph.graph import constant_array
from graphmorph.journal import NEW, Journal, Slice


@dataclass(frozen=True, eq=False)
class NewValues:
    """What a constant holds afterwards. values: in its new sizes, before they are rounded. fresh: by axis, which
    entries of it are nothing that the old one had, so that nothing (of an optimizer) follows them."""

    values: NDArray[np.float64]
    fresh: Mapping[int, NDArray[np.bool_]] = field(default_factory=dict)


def rearrange(
    analysis: Analysis, arrangement: Arrangement, editor: Editor, new_values: Mapping[Slot, NewValues] | None = None
) -> None:
    """Stage new axes for every tensor, in an edit that has begun. What is analysed must be what the editor edits.

    new_values: of constants that hold something else than the entries of the old ones.

    Raises:
        RefusedError: a node states a size in a way that cannot be rewritten, or a value leaves the range of its type.
            Nothing was edited then.
    """
    constants = _resized(analysis, arrangement, editor)
    _slice(analysis, arrangement, constants, new_values or {})
    constants.make(editor)
    for name, axes in analysis.axes.items():
        sizes = _new_sizes(name, axes, analysis, arrangement)
        if sizes:
            editor.resize(analysis.facts.tensors[name], sizes)


def obstacle(analysis: Analysis, arrangement: Arrangement) -> str | None:
    """What would be said if these axes were staged. Edits nothing, and looks at no weights."""
    graph = analysis.facts.graph.copy()
    known = dict(analysis.facts.shapes)
    facts = Facts(graph, lambda: known, analysis.facts.kept)
    editor = Editor(graph, facts, Journal())
    editor.begin("try", "")
    try:
        _resized(replace(analysis, facts=facts), arrangement, editor)
    except RefusedError as refused:
        return str(refused)
    return None


def _resized(analysis: Analysis, arrangement: Arrangement, editor: Editor) -> NewConstants:
    """Rewrite what nodes state of sizes; the constants that they will read instead are planned."""
    resizing.load()
    constants = NewConstants()
    touched = [
        Resized(node, analysis, arrangement, constants, editor)
        for node in analysis.facts.order
        if analysis.facts.is_standard(node) and _changes(node, analysis, arrangement)
    ]
    for one in touched:
        if one.node.op in RESIZERS:
            RESIZERS[one.node.op](one)
    for one in touched:
        if one.node.op in ("Shape", "Size"):
            freeze_shape(one)
    return constants


def taken(
    analysis: Analysis, slot: Slot, arrangement: Arrangement, values: NDArray[np.float64] | None = None
) -> NewValues:
    """The entries that a constant will have, of other values than its own where some are given."""
    array = constant_array(analysis.facts.tensors[slot.name]).astype(np.float64) if values is None else values
    for axis, ids in enumerate(slot.axes):
        places = arrangement.of(ids)
        if places is not None:
            array = array.take(places, axis)
    return NewValues(array)


def _changes(node: gs.Node, analysis: Analysis, arrangement: Arrangement) -> bool:
    """Whether something that a node reads or gives gains or loses elements."""
    given = (analysis.axes.get(tensor.name) for tensor in node.outputs)
    read = (analysis.operand(node, index) for index in range(len(node.inputs)))
    return any(axes is not None and arrangement.changes(axes) for axes in chain(given, read))


def _slice(
    analysis: Analysis, arrangement: Arrangement, constants: NewConstants, new_values: Mapping[Slot, NewValues]
) -> None:
    producer = analysis.facts.producer
    for slot in analysis.slots:
        new = new_values.get(slot)
        part = Part(_slices(slot, arrangement, new), None if new is None else Values(new.values))
        if part.slices or new is not None:
            for use in slot.uses:
                constants.want(producer[use.node], use.index, part)


def _slices(slot: Slot, arrangement: Arrangement, new: NewValues | None) -> tuple[Slice, ...]:
    """What is taken along each axis that changes; along the first where none does, but values do: they follow then."""
    found = (
        arrangement.slice_of(ids, axis) if new is None else _slice_of_new(slot, axis, arrangement, new)
        for axis, ids in enumerate(slot.axes)
    )
    return tuple(one for one in found if one is not None)


def _slice_of_new(slot: Slot, axis: int, arrangement: Arrangement, new: NewValues) -> Slice | None:
    places, fresh = arrangement.of(slot.axes[axis]), new.fresh.get(axis)
    if places is None and (fresh is not None or axis == 0):
        places = np.arange(slot.shape[axis])
    if places is None:
        return None
    return Slice(axis, tuple((places if fresh is None else np.where(fresh, NEW, places)).tolist()))


def _new_sizes(name: str, axes: Axes, analysis: Analysis, arrangement: Arrangement) -> dict[int, Dimension]:
    """By axis that gains or loses elements; what it is called is wrong now where its size is free."""
    return {
        axis: None if analysis.sizes.is_free(name, axis) else places.size
        for axis, ids in enumerate(axes)
        if (places := arrangement.of(ids)) is not None
    }

"""Removing elements: every constant is sliced to what is kept, and every size that a node states is rewritten."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.channels import resizing
from graphmorph.channels.analysis import Analysis, Kept
from graphmorph.channels.constants import Slot
from graphmorph.channels.elements import Axes
from graphmorph.channels.resizing.masks import Masks
from graphmorph.channels.resizing.new_constants import NewConstants, Part
from graphmorph.channels.resizing.read_shapes import freeze_shape
from graphmorph.channels.resizing.resized import RESIZERS, Resized
from graphmorph.editor import Editor
from graphmorph.errors import RefusedError
from graphmorph.facts import Dimension
from graphmorph.journal import Slice


def check(analysis: Analysis, kept: Kept) -> list[str]:
    """Why these elements cannot be removed: axes that nothing would be left of. Empty where they can.

    kept: by element id, whether it stays.
    """
    masks = Masks(kept)
    found = [f"axis {axis} of constant {slot.name}" for slot in analysis.slots for axis in _emptied(slot.axes, masks)]
    found += [f"axis {axis} of tensor {name}" for name, axes in analysis.axes.items() for axis in _emptied(axes, masks)]
    return [f"nothing would be left of {axis}" for axis in dict.fromkeys(found)]


def _emptied(axes: Axes, masks: Masks) -> Iterator[int]:
    for place, axis in enumerate(axes):
        mask = masks.of(axis)
        if mask is not None and not mask.any():
            yield place


def remove(analysis: Analysis, kept: Kept, editor: Editor) -> None:
    """Stage the removal of elements, in an edit that has begun. What is analysed must be what the editor edits.

    kept: by element id, whether it stays; made by `Analysis.kept_without`.

    Raises:
        RefusedError: an axis would be empty, or a node states a size in a way that cannot be rewritten. Nothing was
            edited then.
    """
    problems = check(analysis, kept)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise RefusedError(f"{problems[0]}{more}: keep at least one element of it")
    resizing.load()
    masks, constants = Masks(kept), NewConstants()
    touched = [
        Resized(node, analysis, masks, constants, editor)
        for node in analysis.facts.order
        if analysis.facts.is_standard(node) and _changes(node, analysis, masks)
    ]
    for one in touched:
        if one.node.op in RESIZERS:
            RESIZERS[one.node.op](one)
    for one in touched:
        if one.node.op in ("Shape", "Size"):
            freeze_shape(one)
    nodes = {str(t.name): node for node in analysis.facts.order for t in node.outputs}
    for slot in analysis.slots:
        part = Part(_slices(slot, masks))
        if part.slices:
            for use in slot.uses:
                constants.want(nodes[use.node], use.index, part)
    constants.make(editor)
    for name, axes in analysis.axes.items():
        if masks.changes(axes):
            editor.resize(analysis.facts.tensors[name], _new_sizes(name, axes, analysis, masks))


def _changes(node: gs.Node, analysis: Analysis, masks: Masks) -> bool:
    """Whether something that a node reads or gives loses elements."""
    known = [analysis.operand(node, index) for index in range(len(node.inputs))]
    known += [analysis.axes.get(tensor.name) for tensor in node.outputs]
    return any(axes is not None and masks.changes(axes) for axes in known)


def _slices(slot: Slot, masks: Masks) -> tuple[Slice, ...]:
    found = ((axis, masks.of(ids)) for axis, ids in enumerate(slot.axes))
    return tuple(Slice(axis, tuple(np.flatnonzero(mask).tolist())) for axis, mask in found if mask is not None)


def _new_sizes(name: str, axes: Axes, analysis: Analysis, masks: Masks) -> dict[int, Dimension]:
    """By axis that loses elements; what it is called is wrong now where its size is free."""
    sizes = masks.sizes(axes, analysis.sizes.sizes[name])
    changed = (axis for axis, ids in enumerate(axes) if masks.of(ids) is not None)
    return {axis: None if analysis.sizes.is_free(name, axis) else sizes[axis] for axis in changed}

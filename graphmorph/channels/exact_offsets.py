"""Where the share of constant channels in what a node computes can go: into a bias, a normalisation, or an Add."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_graphsurgeon as gs

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.constants import Slot, Use
from graphmorph.facts import Reader


@dataclass(frozen=True, eq=False)
class Offset:
    """slot: a constant with one entry for each output, that takes the offset times `scale` in; None: a new one does.

    axis: of the node's output, along which the offset lies.
    """

    slot: Slot | None
    scale: float
    axis: int


def offset_of(analysis: Analysis, node: gs.Node) -> Offset | str:
    """Where an offset of a Conv, Gemm or MatMul can go; or why it cannot go anywhere."""
    axis = len(analysis.axes[node.outputs[0].name]) - 1 if node.op == "MatMul" else 1
    beta = float(node.attrs.get("beta", 1.0)) if node.op == "Gemm" else 1.0
    if beta == 0.0:
        return f"Gemm {_name(node)} takes no bias (beta is 0)"
    if node.op != "MatMul" and len(node.inputs) > 2 and node.inputs[2].name:
        return _own_bias(analysis, node, Offset(None, 1.0 / beta, axis))
    behind = _behind(analysis, node, axis)
    if behind is not None:
        return behind
    return Offset(None, 1.0 / beta, axis)


def _own_bias(analysis: Analysis, node: gs.Node, new: Offset) -> Offset | str:
    slot = analysis.slot_of.get(Use(_name(node), 2))
    if slot is None or len(slot.uses) > 1:
        return f"the bias of {node.op} {_name(node)} is computed or shared, and cannot take in a constant"
    if slot.shape[-1:] != (_width(analysis, node, new.axis),) or slot.parameters != slot.shape[-1]:
        return f"the bias of {node.op} {_name(node)} has shape {slot.shape}, not one entry for each output"
    return Offset(slot, new.scale, new.axis)


def _width(analysis: Analysis, node: gs.Node, axis: int) -> int:
    sizes = analysis.sizes.get(node.outputs[0].name)
    return -1 if sizes is None else sizes[axis]


def _behind(analysis: Analysis, node: gs.Node, axis: int) -> Offset | None:
    """The one reader of a node that has no bias, if it adds a constant to every channel anyway."""
    name = node.outputs[0].name
    readers = list(analysis.facts.readers[name])
    if len(readers) != 1 or analysis.facts.is_pinned(name) or not analysis.facts.is_standard(readers[0].node):
        return None
    found = _added(analysis, readers[0]) if readers[0].node.op == "Add" else _mean(analysis, readers[0], axis)
    if found is None or len(found.uses) > 1 or found.parameters != _width(analysis, node, axis):
        return None
    place = len(found.shape) - (len(analysis.axes[name]) - axis) if readers[0].node.op == "Add" else 0
    if place < 0 or found.shape[place] != found.parameters or found.axes[place] is None:
        return None
    return Offset(found, 1.0 if readers[0].node.op == "Add" else -1.0, axis)


def _added(analysis: Analysis, reader: Reader) -> Slot | None:
    return analysis.slot_of.get(Use(_name(reader.node), 1 - reader.index))


def _mean(analysis: Analysis, reader: Reader, axis: int) -> Slot | None:
    """A normalisation with fixed statistics takes its mean off."""
    node = reader.node
    if node.op != "BatchNormalization" or reader.index or axis != 1 or node.attrs.get("training_mode", 0):
        return None
    return analysis.slot_of.get(Use(_name(node), 3))


def _name(node: gs.Node) -> str:
    return str(node.outputs[0].name)

"""What moves when channels go: constants into the next bias, weights of a duplicate to those of its twin."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis, Kept
from graphmorph.channels.constants import Slot, Use
from graphmorph.channels.exact_reads import ExactRead
from graphmorph.editor import Editor
from graphmorph.errors import RefusedError

Float64 = NDArray[np.float64]


class Folding:
    """Collects what constants become. `edited`: at their old sizes, not yet rounded."""

    def __init__(self, analysis: Analysis, kept: Kept, editor: Editor) -> None:
        self._analysis, self._kept, self._editor = analysis, kept, editor
        self.edited: dict[Slot, Float64] = {}
        self._biases: list[tuple[gs.Node, Float64]] = []

    def constants(self, read: ExactRead, units: NDArray[np.int64]) -> None:
        """Add what constant channels give to the bias of the node that reads them.

        Raises:
            RefusedError: the node has no bias of its own and cannot be given one.
        """
        places = np.flatnonzero(np.isin(read.labels, units) & ~read.nothing)
        if not places.size:
            return
        assert read.weights is not None
        weights = _columns_last(self._values(read.weights), read)
        size = read.weights.shape[read.read.other_axis]
        if size == read.labels.size:
            offset = weights[:, places] @ read.constants[places]
        else:
            offset = _by_group(weights, places, read, size)
        self._add_to_bias(read.node, offset)

    def twins(self, read: ExactRead, twins: dict[int, int]) -> None:
        """Add the outgoing weights of duplicates to those of what stays."""
        if read.numbers is None or not twins:
            return
        assert read.weights is not None
        axis = read.read.other_axis
        for gone, stays in twins.items():
            old = np.flatnonzero(read.labels == gone)
            new = np.flatnonzero(read.labels == stays)
            counts = ~read.nothing[old]
            pairs = np.unique(np.stack([read.columns[old[counts]], read.columns[new[counts]]], axis=1), axis=0)
            if pairs.size:
                moved = np.moveaxis(self._edit(read.weights), axis, 0)
                np.add.at(moved, pairs[:, 1], moved[pairs[:, 0]])

    def add_biases(self) -> None:
        """Stage new biases, for nodes that had none."""
        for node, offset in self._biases:
            _give_bias(node, offset, self._analysis, self._kept, self._editor)

    def _values(self, slot: Slot) -> Float64:
        if slot in self.edited:
            return self.edited[slot]
        return self._analysis.facts.value(self._analysis.facts.tensors[slot.name])

    def _edit(self, slot: Slot) -> Float64:
        if slot not in self.edited:
            self.edited[slot] = self._values(slot).copy()
        return self.edited[slot]

    def _add_to_bias(self, node: gs.Node, offset: Float64) -> None:
        has_bias = node.op != "MatMul" and len(node.inputs) > 2 and bool(node.inputs[2].name)
        if not has_bias:
            self._biases.append((node, offset))
            return
        slot = self._analysis.slot_of.get(Use(str(node.outputs[0].name), 2))
        if slot is None or len(slot.uses) > 1:
            raise RefusedError(
                f"the bias of {node.op} {node.name} is computed or shared, and cannot take in a constant"
            )
        scale = _bias_scale(node)
        bias = self._edit(slot)
        if bias.shape[-1:] != offset.shape:
            raise RefusedError(f"the bias of {node.op} {node.name} has shape {bias.shape}, not one for each output")
        bias += offset * scale


def _columns_last(weights: Float64, read: ExactRead) -> Float64:
    """(outputs, inputs): summed over the window, and scaled as the node does."""
    moved = np.moveaxis(weights, read.read.other_axis, 1 if read.node.op == "Conv" else -1)
    summed: Float64 = moved.reshape(*moved.shape[:2], -1).sum(axis=2) if read.node.op == "Conv" else moved
    return summed * float(read.node.attrs.get("alpha", 1.0)) if read.node.op == "Gemm" else summed


def _by_group(weights: Float64, places: NDArray[np.int64], read: ExactRead, size: int) -> Float64:
    """Every group of a convolution reads its own part of the channels."""
    groups = read.labels.size // size
    offset = np.zeros(weights.shape[0]).reshape(groups, -1)
    by_group = weights.reshape(groups, -1, size)
    for place in places.tolist():
        group, column = divmod(place, size)
        offset[group] += by_group[group, :, column] * read.constants[place]
    return offset.reshape(-1)


def _bias_scale(node: gs.Node) -> float:
    beta = float(node.attrs.get("beta", 1.0)) if node.op == "Gemm" else 1.0
    if beta == 0.0:
        raise RefusedError(f"Gemm {node.name} takes no bias (beta is 0)")
    return 1.0 / beta


def _give_bias(node: gs.Node, offset: Float64, analysis: Analysis, kept: Kept, editor: Editor) -> None:
    output = node.outputs[0]
    ids = analysis.axes[output.name][1 if node.op == "Conv" else -1]
    left = offset if ids is None else offset[kept[ids]]
    weight = node.inputs[1]
    bias = editor.constant(f"{weight.name}_bias", left, np.dtype(weight.dtype), (weight.name,), role=output.name)
    if node.op == "MatMul":
        _add_behind(node, bias, editor)
        return
    if node.op == "Gemm":
        _bias_scale(node)
    editor.reread(node, 2, bias)


def _add_behind(node: gs.Node, bias: gs.Constant, editor: Editor) -> None:
    """A matrix product has no bias: an Add follows it."""
    output = node.outputs[0]
    readers = list(editor.facts.readers[output.name])
    if editor.facts.is_pinned(output.name) or not readers:
        raise RefusedError(f"MatMul {node.name} gives an output of the model, and has no bias to take in a constant")
    added = editor.tensor(output, f"{output.name}_offset")
    editor.node("Add", f"{node.name or output.name}_offset", [output, bias], added, ahead_of=readers[0].node)
    for reader in readers:
        editor.reread(reader.node, reader.index, added)

"""What moves when channels go: constants into the next bias, weights of a duplicate to those of its twin."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis, Kept
from graphmorph.channels.constants import Slot
from graphmorph.channels.exact_offsets import Offset
from graphmorph.channels.exact_reads import ExactRead
from graphmorph.channels.exact_twins import Twins
from graphmorph.editor import Editor

Float64 = NDArray[np.float64]


class Folding:
    """Collects what constants become. `edited`: at their old sizes, not yet rounded."""

    def __init__(self, analysis: Analysis, kept: Kept, editor: Editor) -> None:
        self._analysis, self._kept, self._editor = analysis, kept, editor
        self.edited: dict[Slot, Float64] = {}
        self._biases: list[tuple[gs.Node, Float64, Offset]] = []

    def constants(self, read: ExactRead, units: NDArray[np.int64]) -> None:
        """Add what constant channels give to the bias of the node that reads them."""
        places = np.flatnonzero(np.isin(read.labels, units) & ~read.nothing)
        if not places.size:
            return
        assert read.weights is not None
        assert isinstance(read.offset, Offset)
        size = read.weights.shape[read.read.other_axis]
        weights = _columns_last(self._values(read.weights), read)
        groups = read.labels.size // size
        group, column = np.divmod(places, size)  # every group of a convolution reads its own part of the channels
        by_group = weights.reshape(groups, -1, size)
        total = np.zeros(by_group.shape[:2])
        np.add.at(total, group, by_group[group, :, column] * read.constants[places, np.newaxis])
        self._add_offset(read.node, total.reshape(-1), read.offset)

    def twins(self, read: ExactRead, twins: Twins) -> None:
        """Add the outgoing weights of duplicates to those of what stays."""
        if read.numbers is None or not twins.size:
            return
        assert read.weights is not None
        old, new = _places(read, twins)
        counts = ~read.nothing[old]
        pairs = np.unique(np.stack([read.columns[old[counts]], read.columns[new[counts]]], axis=1), axis=0)
        if pairs.size:
            moved = np.moveaxis(self._edit(read.weights), read.read.other_axis, 0)
            np.add.at(moved, pairs[:, 1], moved[pairs[:, 0]])

    def add_biases(self) -> None:
        """Stage new biases, for nodes that had none; those that are made anew last: they take over what they read."""
        for node, total, offset in sorted(self._biases, key=lambda one: _is_made_anew(one[0], self._editor)):
            ids = self._analysis.axes[node.outputs[0].name][offset.axis]
            left = total if ids is None else total[self._kept[ids]]
            _give_bias(node, left * offset.scale, self._editor)

    def _values(self, slot: Slot) -> Float64:
        if slot in self.edited:
            return self.edited[slot]
        return self._analysis.facts.value(self._analysis.facts.tensors[slot.name])

    def _edit(self, slot: Slot) -> Float64:
        if slot not in self.edited:
            self.edited[slot] = self._values(slot).copy()
        return self.edited[slot]

    def _add_offset(self, node: gs.Node, total: Float64, offset: Offset) -> None:
        if offset.slot is None:
            self._biases.append((node, total, offset))
            return
        bias = self._edit(offset.slot)
        bias += (total * offset.scale).reshape(bias.shape)


def _places(read: ExactRead, twins: Twins) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where duplicates are read, and where their twins are, place by place."""
    order = np.argsort(read.labels, kind="stable")
    labels = read.labels[order]
    (old, new), (ends, _) = (np.searchsorted(labels, twins.T, side) for side in ("left", "right"))
    counts = ends - old
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[np.repeat(old, counts) + within], order[np.repeat(new, counts) + within]


def _columns_last(weights: Float64, read: ExactRead) -> Float64:
    """(outputs, inputs): summed over the window, and scaled as the node does."""
    moved = np.moveaxis(weights, read.read.other_axis, 1 if read.node.op == "Conv" else -1)
    summed: Float64 = moved.reshape(*moved.shape[:2], -1).sum(axis=2) if read.node.op == "Conv" else moved
    return summed * float(read.node.attrs.get("alpha", 1.0)) if read.node.op == "Gemm" else summed


def _give_bias(node: gs.Node, values: Float64, editor: Editor) -> None:
    weight, output = node.inputs[1], node.outputs[0]
    bias = editor.constant(f"{weight.name}_bias", values, np.dtype(weight.dtype), (weight.name,), role=output.name)
    if node.op != "MatMul":
        editor.reread(node, 2, bias)
    elif _is_made_anew(node, editor):
        _add_in_its_name(node, bias, editor)
    else:
        _add_behind(node, bias, editor)


def _is_made_anew(node: gs.Node, editor: Editor) -> bool:
    """Whether what a product gives has to keep its name: an output of the model."""
    name = node.outputs[0].name
    return bool(node.op == "MatMul" and (editor.facts.is_pinned(name) or not editor.facts.readers[name]))


def _add_behind(node: gs.Node, bias: gs.Constant, editor: Editor) -> None:
    """A matrix product has no bias: an Add follows it."""
    output = node.outputs[0]
    readers = list(editor.facts.readers[output.name])
    added = editor.tensor(output, f"{output.name}_offset")
    editor.node("Add", f"{node.name or output.name}_offset", [output, bias], added, ahead_of=readers[0].node)
    for reader in readers:
        editor.reread(reader.node, reader.index, added)


def _add_in_its_name(node: gs.Node, bias: gs.Constant, editor: Editor) -> None:
    """The product is made under another name, of what it would read after this edit, and the sum has the old one."""
    output, staged = node.outputs[0], editor.edit.rereads
    inputs = [staged.pop((id(node), index), (node, tensor))[1] for index, tensor in enumerate(node.inputs)]
    product = editor.tensor(output, f"{output.name}_product")
    editor.node("MatMul", output.name, inputs, product, in_place_of=node, ahead_of=node)
    editor.node(
        "Add", f"{node.name or output.name}_offset", [product, bias], editor.root_stand_in(output), ahead_of=node
    )
    editor.remove([node])

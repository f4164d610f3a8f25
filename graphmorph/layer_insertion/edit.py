"""Staging a new layer in a graph: its nodes, the sizes of what lies behind it, and the next layer's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.editor import Editor
from graphmorph.layer_insertion.emission import emit_layer
from graphmorph.layer_insertion.new_layer import NewLayer
from graphmorph.layer_insertion.path import operands
from graphmorph.layer_insertion.place import Place


class _EditEmitter:
    """Makes the new layer's nodes in an edit, before the node that reads it."""

    def __init__(self, editor: Editor, place: Place, channels: int) -> None:
        self._editor, self._place = editor, place
        self.opset = editor.facts.opset
        self._like = editor.facts.tensors[place.after]
        self._dtype = np.dtype(place.next_layer.weight.dtype)
        known = editor.facts.shapes[place.after].shape
        assert known is not None
        self._shape = [*known]
        self._shape[place.axis] = channels

    def node(
        self, op: str, name: str, inputs: Sequence[gs.Tensor], attrs: Mapping[str, Any] | None = None
    ) -> gs.Tensor:
        made = self._editor.tensor(self._like, f"{name}_out", self._shape)
        self._editor.node(op, name, inputs, made, attrs, ahead_of=self._place.reader)
        return made

    def constant(self, name: str, values: NDArray[Any]) -> gs.Constant:
        if values.dtype.kind == "f":
            return self._editor.constant(name, values.astype(np.float64), self._dtype, role=name)
        return self._editor.values(name, values)


def stage_layer(layer: NewLayer, place: Place, name: str, editor: Editor) -> None:
    """Stage a layer by a name, in an edit that has begun. The graph is the one that the place is of.

    Raises:
        RefusedError: a value leaves the range of the weights' type.
    """
    channels = layer.first.channels
    emitter = _EditEmitter(editor, place, channels)
    made = emit_layer(layer.first, place.kind, editor.facts.tensors[place.after], name, emitter)
    editor.reread(place.reader, 0, made)
    for node in place.path:
        for index, value in operands(node, (place.channels, channels)).items():
            old = node.inputs[index]
            made_from = (old.name,) if isinstance(old, gs.Constant) else ()
            editor.reread(node, index, editor.values(old.name, value, made_from))
        _resize(node.outputs[0], place, channels, editor)
    _give_weights(layer, place, editor)


def _resize(tensor: gs.Tensor, place: Place, channels: int, editor: Editor) -> None:
    """What a node of the path gives has its channels on the axis of the place, alone or with all that was flattened."""
    known = editor.facts.shapes.get(tensor.name)
    if known is None or known.shape is None or channels == place.channels:
        return
    axis = place.axis % len(known.shape)
    size = known.shape[axis]
    editor.resize(tensor, {axis: size // place.channels * channels if isinstance(size, int) else None})


def _give_weights(layer: NewLayer, place: Place, editor: Editor) -> None:
    node, old = place.next_layer.node, place.next_layer.weight
    dtype = np.dtype(old.dtype)
    weight = np.ascontiguousarray(place.next_layer.weight_of(layer.next_weight))
    editor.reread(node, 1, editor.constant(old.name, weight, dtype, (old.name,), role=place.next_layer.output))
    if layer.next_bias is None:
        return
    bias = place.next_layer.bias
    made_from = (bias.name,) if bias is not None else ()
    shape = tuple(bias.shape) if bias is not None else layer.next_bias.shape
    name = bias.name if bias is not None else f"{old.name}_bias"
    new = editor.constant(
        name, layer.next_bias.reshape(shape), dtype, made_from, role=f"{place.next_layer.output}:bias"
    )
    target = place.next_layer.bias_node
    if target is None:
        editor.reread(node, 2, new)
    else:
        editor.reread(target, next(i for i, t in enumerate(target.inputs) if t is bias), new)

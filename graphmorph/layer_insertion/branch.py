"""The new layer as a model of its own, from the tensor behind which it goes to what the next layer would read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.graph import Graph, constant_array
from graphmorph.layer_insertion.emission import emit_layer
from graphmorph.layer_insertion.new_layer import FirstHalf
from graphmorph.layer_insertion.path import operands
from graphmorph.layer_insertion.place import Place

SOURCE, RESULT = "source", "result"


class _GraphEmitter:
    """Makes nodes for a graph that is being put together. Numbers are rounded as they will be in the model."""

    def __init__(self, graph: Graph, dtype: np.dtype[Any]) -> None:
        self.graph, self.opset, self._dtype = graph, int(graph.opset), dtype

    def node(
        self, op: str, name: str, inputs: Sequence[gs.Tensor], attrs: Mapping[str, Any] | None = None
    ) -> gs.Tensor:
        made = gs.Variable(f"{name}:out", dtype=self._dtype)
        self.graph.nodes.append(gs.Node(op, name, dict(attrs or {}), list(inputs), [made]))
        return made

    def constant(self, name: str, values: NDArray[Any]) -> gs.Constant:
        cast = values.astype(self._dtype) if values.dtype.kind == "f" else values
        return gs.Constant(name, np.ascontiguousarray(cast))


def branch(place: Place, first: FirstHalf, opset: int, dtype: np.dtype[Any]) -> Graph:
    """A model with one input, `SOURCE`, and one output, `RESULT`, for any batch."""
    graph = Graph(opset=opset, name="branch")
    emitter = _GraphEmitter(graph, dtype)
    source = gs.Variable(SOURCE, dtype=dtype, shape=["batch", *(f"size_{i}" for i in range(1, len(place.shape)))])
    made = emit_layer(first, place.kind, source, "new", emitter)
    for number, node in enumerate(place.path):
        made = _copied(node, made, f"path_{number}", (place.channels, first.channels), emitter)
    result = gs.Variable(RESULT, dtype=dtype)
    emitter.graph.nodes.append(gs.Node("Identity", "result", {}, [made], [result]))
    graph.inputs, graph.outputs = [source], [result]
    return graph


def _copied(
    node: gs.Node, source: gs.Tensor, name: str, channels: tuple[int, int], emitter: _GraphEmitter
) -> gs.Tensor:
    """A node of the path, reading another number of channels. Dropout does nothing here."""
    if node.op == "Dropout":
        return source
    new = operands(node, channels)
    given = [_operand(index, tensor, name, new, emitter) for index, tensor in enumerate(node.inputs) if index > 0]
    return emitter.node(node.op, name, [source, *given], node.attrs)


def _operand(
    index: int, tensor: gs.Tensor, name: str, new: Mapping[int, NDArray[Any]], emitter: _GraphEmitter
) -> gs.Tensor:
    if index in new:
        return emitter.constant(f"{name}:{index}", new[index])
    return emitter.constant(f"{name}:{index}", constant_array(tensor)) if tensor.name else gs.Variable.empty()

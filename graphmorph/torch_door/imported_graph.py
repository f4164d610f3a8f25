"""Graphs that were loaded from ONNX files, prepared for torch: sizes inferred, Constant nodes made constants."""

from __future__ import annotations

from typing import Any

import onnx_graphsurgeon as gs

from graphmorph.constant_folding import constant_node_values
from graphmorph.graph import Graph
from graphmorph.onnx_door.element_types import numpy_type
from graphmorph.oracle import Oracle
from graphmorph.runtime import Runtime
from graphmorph.runtime.protocol import TensorFacts


def with_known_shapes(graph: Graph) -> Graph:
    """A copy whose tensors carry the types and sizes that shape inference finds; Constant nodes are constants."""
    prepared = graph.copy()
    outputs = [t for node in prepared.nodes for t in node.outputs if t.name]
    facts = {} if all(t.dtype is not None and t.shape is not None for t in outputs) else _inferred(prepared)
    for node in prepared.nodes if facts else ():
        for tensor in node.outputs:
            known = facts.get(tensor.name)
            if known is not None and isinstance(tensor, gs.Variable):
                tensor.dtype = numpy_type(known.dtype) or tensor.dtype
                tensor.shape = list(known.shape) if known.shape is not None else tensor.shape
    put_out = {id(t) for t in prepared.outputs}
    for node in list(prepared.nodes):
        value = _constant_value(node)
        if value is not None and id(node.outputs[0]) not in put_out:
            _make_constant(node, value)
    prepared.nodes = [node for node in prepared.nodes if node.outputs]
    return prepared


def _constant_value(node: gs.Node) -> Any:
    """What a Constant node holds, or the constant that an Identity hands on: exporters share equal weights so."""
    if node.op == "Identity" and isinstance(node.inputs[0], gs.Constant):
        return node.inputs[0]
    return constant_node_values(node) if node.op == "Constant" else None


def _inferred(graph: Graph) -> dict[str, TensorFacts]:
    with Runtime(role="facts") as runtime:
        return Oracle(runtime).shapes(graph)


def _make_constant(node: gs.Node, value: object) -> None:
    output = node.outputs[0]
    constant = gs.Constant(output.name, value._values if isinstance(value, gs.Constant) else value)
    for reader in list(output.outputs):
        for index, tensor in enumerate(reader.inputs):
            if tensor is output:
                reader.inputs[index] = constant
    list.clear(node.outputs)

"""Edits by hand, as passes make them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.editor import Editor
from graphmorph.facts import Facts
from graphmorph.graph import Graph, constant_array
from graphmorph.journal import Journal


def node_of(graph: Graph, name: str) -> gs.Node:
    """The node of a name."""
    return next(node for node in graph.nodes if node.name == name)


def nodes_of(graph: Graph, op: str) -> list[gs.Node]:
    """Nodes of an operator, in order."""
    return [node for node in graph.nodes if node.op == op]


def bypass(graph: Graph, name: str) -> None:
    """Remove a node whose output becomes its first input."""
    editor = Editor(graph, Facts(graph), Journal())
    editor.begin("test", name)
    editor.bypass(node_of(graph, name))
    editor.commit()
    editor.flush()


def replace_constant(graph: Graph, node: gs.Node, index: int, values: np.ndarray) -> gs.Constant:
    """Give a node a new constant that was made of its old one."""
    old = node.inputs[index].name
    new = gs.Constant(f"{old}_{len(graph.origins)}", np.ascontiguousarray(values))
    graph.origins[new.name] = (old,)
    node.inputs[index] = new
    return new


def values_of(node: gs.Node, index: int) -> np.ndarray:
    """A constant input's values."""
    return constant_array(node.inputs[index])


def insert_behind(graph: Graph, tensor: gs.Tensor, chain: Sequence[tuple[str, str, dict[str, Any], list[Any]]]) -> None:
    """Put nodes (op, name, attributes, further inputs) between a tensor and everybody who reads it."""
    readers = [(node, i) for node in graph.nodes for i, t in enumerate(node.inputs) if t is tensor]
    current = tensor
    for op, name, attrs, further in chain:
        output = gs.Variable(f"{name}_output", tensor.dtype)
        graph.nodes.append(gs.Node(op, name, attrs, [current, *further], [output]))
        current = output
    for node, index in readers:
        node.inputs[index] = current
    for index, output in enumerate(graph.outputs):
        if output is tensor:
            graph.outputs[index] = current

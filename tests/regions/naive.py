"""A right but modest rewrite, BatchNormalization into Conv: what the checks are themselves tested with."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.graph import Graph, constant_array


def fold_normalization(graph: Graph) -> Graph:
    """Fold each BatchNormalization whose Conv nobody else reads; the result is rounded to the weight's
    type.
    """
    outputs = {tensor.name for tensor in graph.outputs}
    readers: dict[str, int] = {}
    bodies = [value for node in graph.nodes for value in node.attrs.values() if isinstance(value, gs.Graph)]
    for node in [*graph.nodes, *(node for body in bodies for node in body.nodes)]:
        for tensor in node.inputs:
            readers[tensor.name] = readers.get(tensor.name, 0) + 1
    for node in list(graph.nodes):
        if node.op != "BatchNormalization" or node.domain or len(node.outputs) > 1 or node.attrs.get("training_mode"):
            continue
        conv = next((n for n in graph.nodes if n.outputs[0] is node.inputs[0]), None)
        constant = all(isinstance(tensor, gs.Constant) for tensor in node.inputs[1:])
        if conv is None or conv.op != "Conv" or conv.domain or not constant:
            continue
        name = conv.outputs[0].name
        plain = isinstance(conv.inputs[1], gs.Constant) and node.inputs[1].values.ndim == 1
        plain = plain and conv.inputs[1].dtype != np.float16  # which it might leave
        if plain and readers[name] == 1 and name not in outputs:
            _fold(conv, node)
            graph.nodes.remove(node)
    return graph


def _fold(conv: gs.Node, normalization: gs.Node) -> None:
    scale, shift, mean, variance = (_wide(tensor) for tensor in normalization.inputs[1:])
    factor = scale / np.sqrt(variance + normalization.attrs.get("epsilon", 1e-5))
    weight = _wide(conv.inputs[1])
    bias = _wide(conv.inputs[2]) if len(conv.inputs) > 2 else np.zeros(len(weight))
    folded = weight * factor.reshape(-1, *[1] * (weight.ndim - 1))
    dtype = constant_array(conv.inputs[1]).dtype
    stem = normalization.outputs[0].name
    conv.inputs = [
        conv.inputs[0],
        gs.Constant(f"{stem}/weight", folded.astype(dtype)),
        gs.Constant(f"{stem}/bias", ((bias - mean) * factor + shift).astype(dtype)),
    ]
    output = normalization.outputs[0]
    normalization.outputs.clear()
    conv.outputs = [output]


def _wide(tensor: Any) -> np.ndarray:
    return constant_array(tensor).astype(np.float64)

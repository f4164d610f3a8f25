"""Evaluate a model in float64, in the child, with onnx's reference implementation.

onnxruntime's CPU provider has no float64 Conv, so the model's float weights, inputs, casts and types are
turned into double and onnx.reference runs it: slow, but an arithmetic of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.reference

_FLOATS = {
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.BFLOAT16,
}
_DOUBLE = onnx.TensorProto.DOUBLE


def run_in_double(path: str, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs by name; float outputs are float64.

    Raises whatever onnx.reference raises for operators that it lacks.
    """
    model = onnx.load(path)
    _graph_to_double(model.graph)
    for function in model.functions:
        _nodes_to_double(function.node)
    evaluator = onnx.reference.ReferenceEvaluator(model)
    values = {name: _to_double(array) for name, array in feeds.items()}
    outputs = evaluator.run(None, values)
    arrays: dict[str, np.ndarray] = {}
    for name, value in zip(evaluator.output_names, outputs, strict=True):
        if isinstance(value, np.ndarray | np.generic):
            arrays[name] = np.asarray(value)
    return arrays


def _graph_to_double(graph: onnx.GraphProto) -> None:
    for tensor in graph.initializer:
        _tensor_to_double(tensor)
    for info in (*graph.input, *graph.output, *graph.value_info):
        if info.type.tensor_type.elem_type in _FLOATS:
            info.type.tensor_type.elem_type = _DOUBLE
    _nodes_to_double(graph.node)


def _nodes_to_double(nodes: Iterable[onnx.NodeProto]) -> None:
    for node in nodes:
        for attribute in node.attribute:
            _attribute_to_double(node, attribute)
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
            _plain_constant_to_double(node)


def _attribute_to_double(node: onnx.NodeProto, attribute: Any) -> None:
    if attribute.name in ("to", "dtype") and attribute.i in _FLOATS:
        attribute.i = _DOUBLE
    elif attribute.type == onnx.AttributeProto.TENSOR:
        _tensor_to_double(attribute.t)
    elif attribute.type == onnx.AttributeProto.GRAPH:
        _graph_to_double(attribute.g)
    elif attribute.type == onnx.AttributeProto.GRAPHS:
        for graph in attribute.graphs:
            _graph_to_double(graph)


def _plain_constant_to_double(node: onnx.NodeProto) -> None:
    for attribute in list(node.attribute):
        if attribute.name in ("value_float", "value_floats"):
            value = attribute.f if attribute.name == "value_float" else list(attribute.floats)
            tensor = onnx.numpy_helper.from_array(np.asarray(value, dtype=np.float64))
            node.attribute.remove(attribute)
            node.attribute.append(onnx.helper.make_attribute("value", tensor))


def _tensor_to_double(tensor: onnx.TensorProto) -> None:
    if tensor.data_type in _FLOATS:
        name = tensor.name
        array = _to_double(np.asarray(onnx.numpy_helper.to_array(tensor)))
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, name))


def _to_double(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64) if array.dtype.kind == "f" or array.dtype.name == "bfloat16" else array

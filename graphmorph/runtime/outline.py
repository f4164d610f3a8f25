"""Names and precision of a model, in the child: what localisation and the noise floor need to know."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import onnx

_COARSE = {onnx.TensorProto.BFLOAT16: "bfloat16", onnx.TensorProto.FLOAT16: "float16"}
_FLOATS = {*_COARSE, onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE}


def outline(path: str) -> dict[str, Any]:
    """Node outputs of the main graph in the file's (topological) order, and the precision of its weights.

    "precision" is "bfloat16" or "float16" where more than half of the weights have that type, None otherwise.
    External data is not read.
    """
    model = onnx.load(path, load_external_data=False)
    names = [name for node in model.graph.node for name in node.output if name]
    return {"tensors": names, "precision": _precision(model.graph)}


def _precision(graph: onnx.GraphProto) -> str | None:
    tensors = [*graph.initializer]
    for node in graph.node:
        tensors += [a.t for a in node.attribute if a.type == onnx.AttributeProto.TENSOR]
    counts: Counter[int] = Counter()
    for tensor in tensors:
        if tensor.data_type in _FLOATS:
            counts[tensor.data_type] += math.prod(tensor.dims)
    return next((name for code, name in _COARSE.items() if 2 * counts[code] > counts.total()), None)

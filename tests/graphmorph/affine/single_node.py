"""Models of one node, to try operators with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import helper, numpy_helper

from graphmorph.affine.evaluator import evaluate

RNG = np.random.default_rng(7)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def integers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def model_of(op: str, opset: int, attrs: Mapping[str, Any], inputs: list[Any]) -> onnx.ModelProto:
    """One node; the first input is the graph input, integers and all others are initializers, None is left
    out.
    """
    names = ["" if array is None else f"in{place}" for place, array in enumerate(inputs)]
    node = helper.make_node(op, names, ["y"], **attrs)
    x = helper.make_tensor_value_info("in0", onnx.TensorProto.FLOAT, inputs[0].shape)
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    weights = [numpy_helper.from_array(a, n) for a, n in zip(inputs[1:], names[1:], strict=True) if a is not None]
    graph = helper.make_graph([node], "one", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return model


def run(model: onnx.ModelProto, x: np.ndarray, opset: int) -> np.ndarray:
    graph = gs.import_onnx(model)
    return evaluate(list(graph.nodes), {"in0": x.astype(np.float64)}, opset)["y"]

"""Small models for the tests of the commands, made without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS = 4


def training_form(path: Path, *, size: int | str = 8, broken: bool = False) -> Path:
    """relu(bn(conv3x3(x)) + bn(conv1x1(x))), x: (batch, 4, size, size). `broken`: one weight is 1 % off."""
    rng = np.random.default_rng(0)
    weights = {
        "w3": rng.normal(size=(CHANNELS, CHANNELS, 3, 3)),
        "w1": rng.normal(size=(CHANNELS, CHANNELS, 1, 1)),
        **{f"{branch}_{part}": rng.normal(size=CHANNELS) for branch in ("bn3", "bn1") for part in ("beta", "mean")},
        **{f"{branch}_{part}": rng.uniform(0.5, 2, CHANNELS) for branch in ("bn3", "bn1") for part in ("gamma", "var")},
    }
    if broken:
        weights["w3"][0, 0, 0, 0] *= 1.01
    nodes = [
        helper.make_node("Conv", ["x", "w3"], ["square"], "conv3", pads=[1, 1, 1, 1]),
        _batchnorm("bn3", "square", "square_bn"),
        helper.make_node("Conv", ["x", "w1"], ["point"], "conv1"),
        _batchnorm("bn1", "point", "point_bn"),
        helper.make_node("Add", ["square_bn", "point_bn"], ["sum"], "add"),
        helper.make_node("Relu", ["sum"], ["y"], "relu"),
    ]
    return _save(path, nodes, weights, size)


def deploy_form(path: Path) -> Path:
    """relu(conv3x3(x)): nothing to rewrite."""
    weights = {"w": np.random.default_rng(0).normal(size=(CHANNELS, CHANNELS, 3, 3))}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["square"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["square"], ["y"], "relu"),
    ]
    return _save(path, nodes, weights, 8)


def operators(path: Path) -> list[str]:
    """Operator of each node of a file, sorted."""
    return sorted(node.op_type for node in onnx.load(path).graph.node)


def _batchnorm(name: str, source: str, target: str) -> onnx.NodeProto:
    parameters = [f"{name}_{part}" for part in ("gamma", "beta", "mean", "var")]
    return helper.make_node("BatchNormalization", [source, *parameters], [target], name)


def _save(path: Path, nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], size: int | str) -> Path:
    shape = ["batch", CHANNELS, size, size]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path

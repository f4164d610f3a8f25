"""Types, activation functions and batch normalisations of inserted layers, as written and run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

import graphmorph
from graphmorph.layer_insertion.job import InsertResult
from tests.graphmorph.layer_insertion import networks
from tests.graphmorph.layer_insertion.networks import change, images, outputs, samples
from tests.passes.text_models import build


def insert(model: Any, output: Any = None, **options: Any) -> InsertResult:
    options = {"latency": False, "after": "a", **options}
    result: InsertResult = graphmorph.insert_layer(model, output, **options)
    return result


@pytest.mark.parametrize(
    ("dtype", "activation"),
    [("float", "tanh"), ("float16", "relu"), ("float16", "gelu"), ("double", "sigmoid"), ("double", "leaky-relu")],
)
def test_types_and_a_batch_normalisation_that_changes_nothing(dtype: str, activation: str, tmp_path: Path) -> None:
    model = build(networks.DENSE, networks.DENSE_WEIGHTS, dtype=dtype)
    data = samples(60, 4, dtype={"float": "float32", "float16": "float16", "double": "float64"}[dtype])
    made = []
    for normalised in (False, True):
        target = tmp_path / f"{normalised}.onnx"
        options = {"channels": 20, "survivors": 12, "activation": activation, "batch_norm": normalised}
        assert insert(model, target, calibration=data, **options).ok
        made.append(outputs(target, data))
    tolerance = {"float": 1e-4, "float16": 2e-2, "double": 1e-11}[dtype]
    assert change(*made) < tolerance
    assert made[0].dtype == data["x"].dtype


@pytest.mark.parametrize("after", ["a", "p"])
def test_a_normalised_convolution_is_the_same_too(after: str, tmp_path: Path) -> None:
    made = []
    for normalised in (False, True):
        target = tmp_path / f"{normalised}.onnx"
        insert(networks.convolutions(), target, after=after, calibration=images(), batch_norm=normalised, survivors=6)
        made.append(target)
    assert change(outputs(made[0], images(seed=2)), outputs(made[1], images(seed=2))) < 1e-5
    assert [node.op_type for node in onnx.load(made[1]).graph.node].count("BatchNormalization") == 1


@pytest.mark.parametrize(
    ("activation", "opset"),
    [("relu", 13), ("leaky-relu", 20), ("tanh", 13), ("sigmoid", 20), ("gelu", 13), ("gelu", 20), ("silu", 13)],
)
def test_activation_functions_are_written(activation: str, opset: int, tmp_path: Path) -> None:
    model, data, target = (
        build(networks.DENSE, networks.DENSE_WEIGHTS, opset=opset),
        samples(900, 4),
        tmp_path / "d.onnx",
    )
    result = insert(model, target, calibration=data, channels=40, survivors=30, activation=activation, positions=0)
    assert result.report.layer.explained is not None
    assert min(result.report.layer.explained) > 0.9
    fresh = samples(200, 4, seed=1)
    assert change(outputs(model, fresh), outputs(target, fresh)) < 0.25
    assert ("Gelu" in [node.op_type for node in onnx.load(target).graph.node]) == (activation == "gelu" and opset == 20)

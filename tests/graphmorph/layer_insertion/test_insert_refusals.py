"""What `graphmorph.insert_layer` refuses, and what it says then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphmorph
from graphmorph.errors import RefusedError, UsageError
from graphmorph.layer_insertion.job import InsertResult
from tests.graphmorph.layer_insertion import networks
from tests.graphmorph.layer_insertion.networks import images, samples
from tests.passes.text_models import build


def insert(model: Any, output: Any = None, **options: Any) -> InsertResult:
    options = {"latency": False, "after": "a", **options}
    result: InsertResult = graphmorph.insert_layer(model, output, **options)
    return result


BAD: list[tuple[dict[str, Any], str]] = [
    ({"after": "nothing"}, "no node or tensor nothing"),
    ({"after": ""}, "no node or tensor"),
    ({"kernel": (3, 3, 3)}, r"a kernel \(3, 3, 3\) for a, which has 2 spatial axes"),
    ({"kernel": 0}, "kernel 0: must be at least 1"),
    ({"kernel": ()}, "kernel has no size"),
    ({"kernel": "3"}, "kernel '3': a whole number is needed"),
    ({"kernel": 1.5}, "kernel 1.5: a whole number is needed"),
    ({"channels": 4, "survivors": 5}, "survivors is 5, but there are 4 channels"),
    ({"channels": -1}, "channels -1: must be at least 0"),
    ({"channels": "8"}, "channels '8': a whole number is needed"),
    ({"survivors": 0}, "survivors 0: must be at least 1"),
    ({"survivors": 2, "explained": 0.5}, "survivors and explained both say"),
    ({"explained": 0.0}, "explained is 0"),
    ({"explained": 1.5}, "explained 1.5: must be between 0 and 1"),
    ({"explained": float("nan")}, "explained nan: must be between 0 and 1"),
    ({"penalty": -0.1}, "penalty -0.1: a finite number of 0 or more"),
    ({"penalty": float("nan")}, "penalty nan: a finite number"),
    ({"alpha": float("inf")}, "alpha inf: a finite number"),
    ({"ridge": float("nan")}, "ridge nan: a finite number"),
    ({"slope": float("nan")}, "slope nan: a finite number"),
    ({"max_error": -1.0}, "max_error -1.0: a finite number"),
    ({"seed": -1}, "seed -1: must be at least 0"),
    ({"positions": -1}, "positions -1: must be at least 0"),
    ({"algorithm": "compnet-4"}, "algorithm is compnet-4; give one of compnet-1"),
    ({"activation": "swish"}, "activation is swish; give one of relu"),
    ({"initialisation": "zeros"}, "initialisation is zeros; give one of auto"),
    ({"initialisation": "kumar"}, "kumar's initialisation is for functions that are differentiable at 0"),
    ({"calibration": None}, "compnet-3 looks at activations: give calibration data"),
    ({"calibration": None, "algorithm": "netmorph", "batch_norm": True}, "batch_norm looks at activations"),
    ({"algorithm": "netmorph", "survivors": 3}, "netmorph drops no channels: say with channels"),
    ({"calibration": {"z": np.zeros((2, 3, 8, 8), np.float32)}}, "no array for input x"),
    ({"calibration": {"x": np.zeros((2, 8), np.float32)}}, r"x has shape \(2, 8\), the input has rank 4"),
    ({"calibration": "missing.npz"}, "missing.npz"),
    ({"calibration": []}, "no sample in"),
    ({"calibration": {"x": np.full((2, 3, 8, 8), np.nan, np.float32)}}, "NaN or infinity"),
    ({"keep": ["a"]}, "keep: an insertion touches nothing but the place"),
    ({"keep": 5}, "survivors says how many channels stay"),
    ({"colour": "red"}, "there is no option colour"),
    ({"example_inputs": 3}, "example_inputs"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[f"{next(iter(one))}-{i}" for i, (one, _) in enumerate(BAD)])
def test_what_does_not_fit_is_said(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    target = tmp_path / "deeper.onnx"
    with pytest.raises(UsageError, match=message):
        insert(networks.convolutions(), target, **{"calibration": images(4), **options})
    assert not target.exists()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"after": "y"}, "no layer can be inserted after y: nothing reads it"),
    ({"after": "d", "algorithm": "net2deeper"}, "d may be negative, and relu would cut that off"),
    ({"algorithm": "net2deeper", "activation": "tanh"}, "relu, not tanh"),
    ({"algorithm": "net2deeper", "channels": 9}, "as wide as what it reads: 4 channels, not 9"),
    ({"after": "r", "algorithm": "netmorph"}, "MaxPool p lies before it, which is not linear"),
    ({"penalty": 1e6}, "a penalty of 1e.06 leaves no channel"),
    ({"channels": 1, "explained": 0.999}, "all 1 channels explain .* less than 0.999: start with more channels"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_where_nothing_can_go_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        insert(networks.convolutions(), **{"calibration": images(4), **options})


def test_channels_on_the_last_axis_have_no_batch_normalisation() -> None:
    model = build(networks.TOKENS, networks.TOKENS_WEIGHTS)
    with pytest.raises(UsageError, match="channels on axis 1, and a has them on the last"):
        insert(model, calibration=samples(9, 7, 4), batch_norm=True, survivors=7)


@pytest.mark.parametrize(
    ("between", "message"),
    [
        ("m = ReduceMax<keepdims=0>(x) b = Clip(a, , m)", "Clip b has operands that are computed"),
        ("b = ReduceMean<noop_with_empty_axes=0>(a, none)", "ReduceMean b does not flatten"),
        ("s = Shape(x) b = Reshape(a, s)", "Reshape b does not flatten"),
        ("b = Softmax(a)", "Softmax b is not a layer"),
    ],
)
def test_what_cannot_lie_between(between: str, message: str) -> None:
    text = f"g (float[N,2,4,4] x) => (float[N,3,H,W] y) {{ a = Relu(x) {between} y = Conv(b, w) }}"
    model = build(text, {"w": (3, 2, 1, 1), "none": np.zeros(0, np.int64)}, opset=18)
    with pytest.raises(RefusedError, match=message):
        insert(model, calibration=samples(4, 2, 4, 4))

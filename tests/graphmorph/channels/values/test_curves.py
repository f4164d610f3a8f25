"""Bounds of functions of one number, against onnxruntime on a dense grid."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from graphmorph.channels.values import curves
from graphmorph.channels.values.curves import CURVES, Curve
from tests.graphmorph.channels.values.oracle import run
from tests.passes.text_models import build

ALL: dict[str, Curve] = {
    **CURVES,
    "Gelu": curves.GELU,
    'Gelu<approximate="tanh">': curves.GELU_TANH,
    "Elu": curves.elu(1.0),
    "Selu": curves.selu(1.67326319217681884765625, 1.05070102214813232421875),
    "LeakyRelu": curves.leaky(0.01),
}
SMALL = np.geomspace(1e-38, 1e38, 5001)
GRID = np.concatenate([np.linspace(-120, 120, 50001), np.linspace(-1, 1, 20001), SMALL, -SMALL])


@pytest.mark.parametrize("dtype", ["float", "float16"])
@pytest.mark.parametrize("call", ALL)
def test_what_runtimes_compute_is_within(call: str, dtype: str) -> None:
    """Each number as an interval of its own, and intervals between neighbours."""
    with np.errstate(over="ignore"):
        x = GRID.astype(np.float16 if dtype == "float16" else np.float32)
    x = np.sort(x[np.isfinite(x)])
    y = run(build(f"g (float[N] x) => (y) {{ y = {call}(x) }}", opset=20, ir=9, dtype=dtype), {"x": x})["y"]
    kind = onnx.TensorProto.FLOAT16 if dtype == "float16" else onnx.TensorProto.FLOAT
    at, found = x.astype(np.float64), y.astype(np.float64)
    for low_end, high_end in ((at, at), (np.roll(at, 50), np.roll(at, -50)), (np.roll(at, 2000), at)):
        ordered = low_end <= high_end
        with np.errstate(all="ignore"):
            low, high = ALL[call].bounds(low_end, high_end, kind)
        inside = ordered & np.isfinite(found) & ~np.isnan(low)
        assert not (found < low)[inside].any()
        assert not (found > high)[inside].any()


@pytest.mark.parametrize("call", [name for name, curve in ALL.items() if curve.sign])
def test_zero_stays_zero(call: str) -> None:
    zero = np.zeros(1)
    low, high = ALL[call].bounds(zero, zero, onnx.TensorProto.FLOAT)
    assert low == high == 0


def test_unbounded_arguments_have_the_bounds_of_the_range() -> None:
    everywhere = np.array([-np.inf]), np.array([np.inf])
    with np.errstate(all="ignore"):
        found = {name: curve.bounds(*everywhere, onnx.TensorProto.FLOAT) for name, curve in ALL.items()}
    assert found["Sigmoid"][0] == 0
    assert found["Sigmoid"][1] < 1.00001
    assert found["Relu"][0] == found["Exp"][0] == found["Softplus"][0] == 0
    assert -0.2 < found["Gelu"][0] < -0.1699
    assert -0.33 < found["Mish"][0] < -0.3

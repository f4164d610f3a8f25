"""Reductions over elements that are told apart: each counts with what is known of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.graphmorph.channels.values.oracle import check, constants
from tests.passes.text_models import build, weights_of


def reduced(op: str, varies: int) -> tuple[list[float], np.ndarray]:
    """Two halves of three channels are reduced to three: what is known of these, where one channel of the six depends
    on the input; and the biases."""
    weights = weights_of({"w": (5, 6), "b": (6,)})
    weights["w"][:, np.arange(6) != varies] = 0
    weights["parts"] = np.array([0, 2, 3])
    step = f"{op}<axes=[1], keepdims=0>(r)"
    if op == "ReduceSum":
        step, weights["axes"] = "ReduceSum<keepdims=0>(r, axes)", np.array([1])
    text = f"g (float[N,5] x) => (float[N,3] y) {{ a = Gemm(x, w, b) r = Reshape(a, parts) s = {step} y = Neg(s) }}"
    return constants(check(build(text, weights)), "s"), weights["b"].reshape(2, 3)


@pytest.mark.parametrize(
    ("op", "function"), [("ReduceSum", np.sum), ("ReduceMean", np.mean), ("ReduceMax", np.max), ("ReduceMin", np.min)]
)
def test_constants_that_differ(op: str, function: Callable[..., np.ndarray]) -> None:
    found, biases = reduced(op, 4)
    np.testing.assert_allclose([found[0], found[2]], function(biases, axis=0)[[0, 2]], rtol=1e-5)
    assert np.isnan(found[1])


@pytest.mark.parametrize("op", ["ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceProd", "ReduceLogSumExp"])
def test_others_say_nothing(op: str) -> None:
    assert np.isnan(reduced(op, 4)[0]).all()

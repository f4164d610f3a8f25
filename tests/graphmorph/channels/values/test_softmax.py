"""Softmax: shares of constants, of bounded values, and sums of what is weighted by them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graphmorph.channels.values.oracle import check, constants
from tests.graphmorph.channels.values.planted import planted
from tests.passes.text_models import Weight, build, weights_of

SPLIT = """g (float[N,5] x) => (float[N,3] y) {
    a = Gemm(x, w, b)
    r = Reshape(a, halves)
    s = Softmax<axis=AXIS>(r)
    y = ReduceMax<axes=[1], keepdims=0>(s)
}"""
HALVES = np.array([0, 2, 3])


def split(axis: int, varies: int) -> dict[str, np.ndarray]:
    """Two halves of three channels, made by constants but for one channel."""
    weights = weights_of({"w": (5, 6), "b": (6,)})
    weights["w"][:, np.arange(6) != varies] = 0
    values = check(build(SPLIT.replace("AXIS", str(axis)), {**weights, "halves": HALVES}))
    own = weights["b"].astype(np.float64).reshape(2, 3)
    return {"found": np.array(constants(values, "s")).reshape(2, 3), "own": np.exp(own)}


def test_shares_of_constants_are_constant() -> None:
    both = split(1, varies=4)
    expected = both["own"] / both["own"].sum(axis=0)
    np.testing.assert_allclose(both["found"][:, [0, 2]], expected[:, [0, 2]], rtol=1e-6)
    assert np.isnan(both["found"][:, 1]).all()


def test_shares_along_another_axis_depend_on_other_elements() -> None:
    both = split(2, varies=4)
    np.testing.assert_allclose(both["found"][0], both["own"][0] / both["own"][0].sum(), rtol=1e-6)
    assert np.isnan(both["found"][1]).all()


@pytest.mark.parametrize(("axis", "known"), [(1, True), (3, True), (0, False)])
@pytest.mark.parametrize("bounded", ["Sigmoid(t)", "Tanh(t)", "Clip(t, low, high)", "Relu(t)"])
def test_bounds_of_shares(axis: int, known: bool, bounded: str) -> None:
    """Over an axis of any size nothing is known; else a share of what is bounded, or of a constant, is below 1."""
    limits: dict[str, Weight] = {"low": np.array(-60.0), "high": np.array(60.0)}
    values = check(planted(f"c = {bounded} s = Softmax<axis={axis}>(c) y = Neg(s)", limits))
    high = values.high("s")
    assert high is not None
    assert (high < 1).any() == (known and not (axis == 1 and bounded == "Relu(t)"))


WEIGHTED = "q = ReduceMean<axes=[1]>(t) s = Softmax<axis=SOFT>(q) m = Mul(t, s) y = ReduceSum<keepdims=1>(m, axes)"


@pytest.mark.parametrize(("soft", "axis", "known"), [(-1, 3, True), (3, 3, True), (2, 3, False), (3, 2, False)])
def test_a_sum_weighted_by_shares_is_a_mean(soft: int, axis: int, known: bool) -> None:
    values = check(planted(WEIGHTED.replace("SOFT", str(soft)), {"axes": np.array([axis])}))
    found = constants(values, "y")
    assert found[2] == 0
    assert (found[3] == pytest.approx(0.75)) == known
    assert np.isnan(found[0])


def test_shares_that_are_repeated_do_not_add_up_to_one() -> None:
    """The shares are those of channels, and the sum runs over columns."""
    text = """g0 = GlobalAveragePool(t) s = Softmax<axis=3>(g0) m = Mul(t, s) y = ReduceSum<keepdims=1>(m, axes)"""
    values = check(planted(text, {"axes": np.array([3])}))
    assert constants(values, "y")[3] == pytest.approx(0.75 * 8)

"""Scores of units: which weights count, how layers are joined, how groups compare, what happens where one fails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.criteria import Criterion, score
from graphmorph.channels.criteria.kse import kse
from graphmorph.errors import RefusedError, UsageError
from graphmorph.runtime import Runtime
from tests.graphmorph.channels.analysed_text import analysed, group_of
from tests.passes.text_models import Weight

RESIDUAL = """g (float[1,3,6,6] x) => (float[1,2,6,6] y) {
    a = Conv(x, w1, b1)
    n = BatchNormalization(a, s, o, m, v)
    r = Relu(n)
    c = Conv<pads=[1,1,1,1]>(r, w2)
    t = Add(n, c)
    h = Relu(t)
    y = Conv(h, w3)
}"""
RNG = np.random.default_rng(0)
WEIGHTS: dict[str, Weight] = {
    "w1": RNG.normal(size=(8, 3, 1, 1)).astype(np.float32),
    "b1": RNG.normal(size=8).astype(np.float32),
    "s": RNG.normal(size=8).astype(np.float32),
    "o": RNG.normal(size=8).astype(np.float32),
    "m": RNG.normal(size=8).astype(np.float32),
    "v": RNG.uniform(1, 2, size=8).astype(np.float32),
    "w2": RNG.normal(size=(8, 8, 3, 3)).astype(np.float32),
    "w3": RNG.normal(size=(2, 8, 1, 1)).astype(np.float32),
}
PLAIN: dict[str, Any] = {"normalisation": "none"}


@pytest.fixture(scope="module")
def residual(runtime: Runtime) -> Analysis:
    return analysed(runtime, RESIDUAL, WEIGHTS)


def scores(analysis: Analysis, constant: str, **options: Any) -> np.ndarray:
    """Of the only group."""
    (found,) = score(analysis, Criterion(**options), groups=[group_of(analysis, constant)])
    assert found.note is None
    return found.values


def _wide(name: str) -> np.ndarray:
    return np.asarray(WEIGHTS[name], np.float64)


def _norms(name: str, axis: int, order: int) -> np.ndarray:
    return np.linalg.norm(np.moveaxis(_wide(name), axis, 0).reshape(8, -1), ord=order, axis=1)


@pytest.mark.parametrize(("name", "order"), [("l1", 1), ("l2", 2)])
@pytest.mark.parametrize("aggregation", ["mean", "sum", "max"])
def test_norms_of_the_producers(residual: Analysis, name: str, order: int, aggregation: str) -> None:
    layers = [_norms("w1", 0, order), _norms("w2", 0, order)]
    expected = {"mean": np.mean, "sum": np.sum, "max": np.max}[aggregation](layers, axis=0)
    np.testing.assert_allclose(scores(residual, "w1", name=name, aggregation=aggregation, **PLAIN), expected)


def test_norms_of_all_members_leave_out_biases_and_statistics(residual: Analysis) -> None:
    layers = [_norms(*one, 2) for one in (("w1", 0), ("w2", 0), ("w2", 1), ("w3", 1))] + [np.abs(_wide("s"))]
    np.testing.assert_allclose(scores(residual, "w1", members="all", **PLAIN), np.mean(layers, axis=0))


def test_normalisation(residual: Analysis) -> None:
    plain = scores(residual, "w1", **PLAIN)
    np.testing.assert_allclose(scores(residual, "w1"), plain / plain.mean())
    np.testing.assert_allclose(scores(residual, "w1", normalisation="max"), plain / plain.max())


def test_scales(residual: Analysis) -> None:
    np.testing.assert_allclose(scores(residual, "w1", name="bn-scale", **PLAIN), np.abs(_wide("s")))


def test_geometric_median(residual: Analysis) -> None:
    layers = [cdist(rows, rows).sum(axis=1) for rows in (_wide("w1").reshape(8, -1), _wide("w2").reshape(8, -1))]
    np.testing.assert_allclose(scores(residual, "w1", name="geometric-median", **PLAIN), np.mean(layers, axis=0))


def test_kse_is_of_the_kernels_that_read_a_channel(residual: Analysis) -> None:
    def layer(weights: np.ndarray) -> np.ndarray:
        return kse(lambda c: weights[:, c].reshape(len(weights), -1), 8, 2, 0.5, "one")

    layers = [layer(_wide("w2")), layer(_wide("w3"))]
    found = scores(residual, "w1", name="kse", neighbours=2, alpha=0.5, **PLAIN)
    np.testing.assert_allclose(found, np.mean(layers, axis=0))


def test_kse_behind_a_flatten_reads_all_places_of_a_channel(runtime: Runtime) -> None:
    text = "g (float[1,3,2,2] x) => (float[1,5] y) { a = Conv(x, w)  f = Flatten(a)  y = Gemm(f, v) }"
    weights: dict[str, Weight] = {"w": (4, 3, 1, 1), "v": RNG.normal(size=(16, 5)).astype(np.float32)}
    analysis = analysed(runtime, text, weights)
    read = np.asarray(weights["v"], np.float64).reshape(4, 4, 5)
    expected = kse(lambda c: read[c].T, 4, 5, 1.0, "one")
    np.testing.assert_allclose(scores(analysis, "w", name="kse", **PLAIN), expected)


def test_random_scores_are_the_groups_own(runtime: Runtime) -> None:
    text = "g (float[1,3,2,2] x) => (float[1,5,2,2] y) { a = Conv(x, w)  r = Relu(a)  b = Conv(r, u)  y = Conv(b, v) }"
    analysis = analysed(runtime, text, {"w": (6, 3, 1, 1), "u": (6, 6, 1, 1), "v": (5, 6, 1, 1)})
    first, second = score(analysis, Criterion("random", seed=3))
    assert not np.allclose(first.values, second.values)
    (alone,) = score(analysis, Criterion("random", seed=3), groups=[second.group])
    np.testing.assert_array_equal(alone.values, second.values)
    assert not np.allclose(score(analysis, Criterion("random", seed=4))[0].values, first.values)


def test_activation_statistics(residual: Analysis) -> None:
    (group,) = residual.groups
    means = RNG.normal(size=(8, 2))
    (found,) = score(residual, Criterion("mean-activation", **PLAIN), statistics={group.name: means})
    np.testing.assert_allclose(found.values, np.abs(means).mean(axis=1))
    zeros = RNG.uniform(size=8)
    (found,) = score(residual, Criterion("apoz", **PLAIN), statistics={group.name: zeros})
    np.testing.assert_allclose(found.values, 1 - zeros)


def test_reconstruction(residual: Analysis) -> None:
    entered = RNG.uniform(size=8)
    criterion = Criterion("reconstruction", normalisation="max")
    (found,) = score(residual, criterion, reconstruction=lambda group: entered)
    np.testing.assert_allclose(found.values, entered / entered.max())


def test_where_a_criterion_does_not_apply_the_norm_does(runtime: Runtime, residual: Analysis) -> None:
    text = "g (float[1,3,2,2] x) => (float[1,5,2,2] y) { a = Conv(x, w)  y = Conv(a, v) }"
    analysis = analysed(runtime, text, {"w": (6, 3, 1, 1), "v": (5, 6, 1, 1)})
    (norms,) = score(analysis, Criterion("l2"))
    (found,) = score(analysis, Criterion("bn-scale", members="all"))
    assert found.note == "no normalisation scales its channels: scored by the l2 norm instead"
    np.testing.assert_array_equal(found.values, norms.values)
    (unseen,) = score(analysis, Criterion("apoz"), statistics={})
    assert unseen.note == "no activations of it were seen: scored by the l2 norm instead"
    (unread,) = score(analysis, Criterion("reconstruction"), reconstruction=lambda group: None)
    assert unread.note == "no activations of its readers were seen: scored by the l2 norm instead"


def test_channels_that_no_weights_read_have_no_kse(runtime: Runtime) -> None:
    text = """g (float[1,3,2,2] x) => (float[1,1,2,2] y) {
        a = Conv(x, w)
        y = ReduceSum(a, axes)
    }"""
    analysis = analysed(runtime, text, {"w": (6, 3, 1, 1), "axes": np.array([1])})
    (found,) = score(analysis, Criterion("kse"))
    assert found.note == "no weights of a next layer read its channels: scored by the l2 norm instead"


def test_all_weights_zero(runtime: Runtime) -> None:
    text = "g (float[1,3,2,2] x) => (float[1,5,2,2] y) { a = Conv(x, w)  y = Conv(a, v) }"
    analysis = analysed(runtime, text, {"w": np.zeros((6, 3, 1, 1), np.float32), "v": (5, 6, 1, 1)})
    assert score(analysis, Criterion())[0].values.tolist() == [0.0] * 6


def test_weights_that_are_not_finite_are_refused(runtime: Runtime) -> None:
    weights = np.ones((6, 3, 1, 1), np.float32)
    weights[2, 1] = np.nan
    text = "g (float[1,3,2,2] x) => (float[1,5,2,2] y) { a = Conv(x, w)  y = Conv(a, v) }"
    analysis = analysed(runtime, text, {"w": weights, "v": (5, 6, 1, 1)})
    with pytest.raises(RefusedError, match="the l2 scores of group a are not all finite: look at the values of w, v"):
        score(analysis, Criterion())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "l3"}, "name 'l3' is none of l1, l2"),
        ({"aggregation": "median"}, "aggregation 'median' is none of mean, sum, max"),
        ({"neighbours": 0}, "neighbours 0: at least 1"),
        ({"alpha": -1.0}, "alpha -1.0: not below 0"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Criterion(**options)


def test_activations_that_are_missing_or_do_not_fit(residual: Analysis) -> None:
    (group,) = residual.groups
    with pytest.raises(UsageError, match="criterion apoz needs activations: give calibration data"):
        score(residual, Criterion("apoz"))
    with pytest.raises(UsageError, match=r"statistics of group a have shape \(7,\), not \(8, places\)"):
        score(residual, Criterion("apoz"), statistics={group.name: np.zeros(7)})

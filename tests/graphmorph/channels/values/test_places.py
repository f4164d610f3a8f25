"""Products with weights where other axes tell elements apart."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.channels.values.fact import LIMIT
from tests.graphmorph.channels.values.oracle import check, constants, duplicates
from tests.graphmorph.channels.values.planted import NAN, planted
from tests.passes.text_models import build


@pytest.mark.parametrize("text", ["y = MatMul(t, w)", "y = MatMul(w, t)"])
def test_equal_channels_stay_equal_whatever_mixes_their_positions(text: str) -> None:
    weight = np.random.default_rng(1).standard_normal((8, 8))
    values = check(planted(f"m = {text[4:]} r = ReduceMean<axes=[2,3]>(m) y = Relu(r)", {"w": weight}))
    assert duplicates(values, "r") == [(0, 1)]
    assert constants(values, "r")[2] == 0
    assert np.isnan(constants(values, "r")[0])


def test_a_constant_channel_is_what_the_weights_add_up_to() -> None:
    weight = np.random.default_rng(1).standard_normal((8, 3))
    weight[:, 1] = np.tile([1.0, -1.0], 4)
    values = check(planted("y = MatMul(t, w)", {"w": weight}))
    found = values.constant("y")
    assert found is not None
    np.testing.assert_allclose(found[0, 3, 0, [0, 2]], 0.75 * weight.sum(axis=0)[[0, 2]], rtol=1e-6)
    assert np.isnan(found[0, 3, 0, 1]), "what cancels is not known to be zero"
    assert np.isnan(found[0, 0]).all()


def test_heads_are_told_apart() -> None:
    """Two heads of three channels, each times the same matrix: 2 and 3 are constants of one head each."""
    text = "r = Reshape(t, s) k = Transpose<perm=[0,1,3,2]>(r) m = MatMul(k, w) q = ReduceMean<axes=[2]>(m) y = Relu(q)"
    weight = np.zeros((3, 2))
    weight[0, 0] = weight[2, 1] = 2.0
    values = check(planted(text, {"s": np.array([0, 2, 3, -1]), "w": weight}))
    np.testing.assert_allclose(constants(values, "q"), [NAN, 0, 1.5, NAN])


@pytest.mark.parametrize("equal", [True, False])
def test_equal_heads(equal: bool) -> None:
    rng = np.random.default_rng(4)
    weight = rng.standard_normal((5, 6))
    weight[:, 3:] = weight[:, :3] if equal else weight[:, :3] * [1, 1, -1]
    text = "g (float[N,5] x) => (float[N,2,4] y) { a = MatMul(x, w) r = Reshape(a, s) m = MatMul(r, v) y = Relu(m) }"
    model = build(text, {"w": weight, "s": np.array([0, 2, 3]), "v": rng.standard_normal((3, 4))})
    assert duplicates(check(model), "y") == ([(0, 4), (1, 5), (2, 6), (3, 7)] if equal else [])


TOKENS = """g (float[3,4,5] x) => (float[3,300,250] y) {
    a = MatMul(u, x)
    m = MatMul(a, w)
    y = Relu(m)
}"""


@pytest.mark.parametrize("equal", [True, False])
def test_what_is_coarsened_is_where_nothing_is_known(equal: bool) -> None:
    rng = np.random.default_rng(2)
    rows, columns = rng.standard_normal((300, 4)), rng.standard_normal((5, 250))
    assert rows.shape[0] * columns.shape[1] > LIMIT
    if equal:
        rows[7] = rows[3]
    values = check(build(TOKENS, {"u": rows, "w": columns}))
    assert duplicates(values, "m") == ([(3, 7)] if equal else [])


def test_two_axes_that_together_are_too_many_are_not_both_told_apart() -> None:
    """Neither channels nor positions of a sum are lost where a table of both is too large."""
    text = """g (float[2,4] x) => (float[2,600,200] y) {
        a = Gemm(x, u)
        b = Gemm(x, v)
        l = Unsqueeze(a, last)
        r = Unsqueeze(b, first)
        y = Add(l, r)
    }"""
    rng = np.random.default_rng(3)
    columns, rows = rng.standard_normal((4, 200)), rng.standard_normal((4, 600))
    columns[:, 5] = columns[:, 9]
    model = build(text, {"u": rows, "v": columns, "last": np.array([2]), "first": np.array([1])})
    values = check(model)
    assert duplicates(values, "y") == [(5, 9)]

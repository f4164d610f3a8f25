"""Where the share of channels that go ends up, and what keeps them: one small model for each case."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from graphmorph.runtime import Runtime
from tests.passes.text_models import Ran, Weights, assert_same_function, build, initializers, run, weights_of

PASSES = ("fold-constants", "remove-channels")
IMAGE, TOKENS = {"x": (2, 3, 8, 8)}, {"x": (2, 5, 3)}


def exact(text: str, weights: Weights, runtime: Runtime, *, dtype: str = "float", **options: Any) -> Ran:
    return run(build(text, weights, dtype=dtype), runtime, *PASSES, **options)


def shapes(ran: Ran) -> dict[str, tuple[int, ...]]:
    return {name: tuple(one.dims) for name, one in initializers(ran.after).items()}


def value(ran: Ran, name: str) -> np.ndarray:
    return onnx.numpy_helper.to_array(initializers(ran.after)[name])


LINEAR = """g (float[N,5,3] x) => (float[N,5,4] y) {
    a = MatMul(x, w)
    d = Add(a, b)
    f = MatMul(d, v)
    h = Add(c, f)
    y = Relu(h)
}"""


def test_an_add_behind_a_product_takes_constants_in(runtime: Runtime) -> None:
    weights = weights_of({"w": (3, 6), "b": (6,), "v": (6, 4), "c": (4,)})
    weights["w"][:, [1, 2]] = 0
    ran = exact(LINEAR, weights, runtime)
    assert shapes(ran) == {"w": (3, 4), "b": (4,), "v": (4, 4), "c": (4,)}
    assert ran.ops == {"MatMul": 2, "Add": 2, "Relu": 1}
    np.testing.assert_allclose(value(ran, "c"), weights["c"] + weights["b"][1:3] @ weights["v"][1:3], rtol=1e-6)
    assert_same_function(ran, TOKENS)


def test_a_shared_product_gets_an_add_of_its_own(runtime: Runtime) -> None:
    weights = weights_of({"w": (3, 6), "b": (6,), "v": (6, 4), "c": (4,)})
    weights["w"][:, 1] = 0
    ran = exact(LINEAR.replace("y = Relu(h)", "y = Mul(h, f)"), weights, runtime)
    assert shapes(ran)["w"] == (3, 5)
    assert ran.ops == {"MatMul": 2, "Add": 3, "Mul": 1}
    assert_same_function(ran, TOKENS)


OUTPUT = "g (float[N,5,3] x) => (float[N,5,4] y) { a = MatMul(x, w) d = Add(a, b) y = MatMul(d, v) }"


@pytest.mark.parametrize(
    ("text", "ops"),
    [
        (OUTPUT, {"MatMul": 2, "Add": 2}),
        (
            OUTPUT.replace(" y)", " y, float[N,5,4] z)").replace(" }", " z = Relu(y) }"),
            {"MatMul": 2, "Add": 2, "Relu": 1},
        ),
        (OUTPUT.replace("v) }", "v0) }").replace("y =", "e = MatMul(d, v) y =").replace("(d, v0)", "(e, v0)"), None),
    ],
)
def test_a_product_that_is_an_output_becomes_a_sum(text: str, ops: dict[str, int] | None, runtime: Runtime) -> None:
    """The last one has another product before it, which gets an Add in the same edit."""
    weights = weights_of({"w": (3, 6), "b": (6,), "v": (6, 4)} | ({} if ops else {"v0": (4, 4)}))
    weights["w"][:, 1] = 0
    if ops is None:
        weights["v"][[0, 2, 3, 4, 5], 2] = 0
    ran = exact(text, weights, runtime)
    assert shapes(ran)["w"] == (3, 5)
    assert ran.ops == (ops or {"MatMul": 3, "Add": 3})
    assert [one.name for one in ran.after.graph.output][:1] == ["y"]
    assert_same_function(ran, TOKENS)


def test_a_normalisation_takes_constants_off_its_mean(runtime: Runtime) -> None:
    text = """g (float[N,3,8,8] x) => (float[N,4,8,8] y) {
        a = Conv(x, w, b)
        d = Conv(a, v)
        y = BatchNormalization(d, s, o, m, q)
    }"""
    weights = weights_of({"w": (6, 3, 1, 1), "b": (6,), "v": (4, 6, 1, 1), "s": (4,), "o": (4,), "m": (4,)})
    weights["q"] = np.ones(4, np.float32)
    weights["w"][2] = 0
    ran = exact(text, weights, runtime)
    assert shapes(ran)["v"] == (4, 5, 1, 1)
    assert len(ran.node("d").inputs) == 2
    np.testing.assert_allclose(value(ran, "m"), weights["m"] - weights["v"][:, 2, 0, 0] * weights["b"][2], rtol=1e-6)
    assert_same_function(ran, IMAGE)


GEMM = """g (float[N,3] x) => (float[N,4] y) {
    a = Gemm<transB=1>(x, w, b)
    y = Gemm<alpha=0.5, beta=2.0, transB=1>(a, v, c)
}"""


@pytest.mark.parametrize("bias", [True, False])
def test_a_gemm_scales_what_it_adds(bias: bool, runtime: Runtime) -> None:
    weights = weights_of({"w": (6, 3), "b": (6,), "v": (4, 6), **({"c": (4,)} if bias else {})})
    weights["w"][2] = 0
    ran = exact(GEMM if bias else GEMM.replace("v, c", "v"), weights, runtime)
    assert shapes(ran)["v"] == (4, 5)
    assert_same_function(ran, {"x": (2, 3)})


TRANSPOSED = """g (float[N,3,8,8] x) => (float[N,4,8,8] y) {
    a = Conv(x, w, b)
    r = Tanh(a)
    y = ConvTranspose<group=G>(r, v)
}"""


@pytest.mark.parametrize(("group", "twin", "left"), [(1, 4, 5), (2, 1, 6), (2, 3, 6)])
def test_duplicates_before_a_transposed_convolution(group: int, twin: int, left: int, runtime: Runtime) -> None:
    """In one of two groups a duplicate has no weights for the outputs of the other."""
    weights = weights_of({"w": (6, 3, 1, 1), "b": (6,), "v": (6, 4 // group, 1, 1)})
    weights["w"][0], weights["b"][0] = weights["w"][twin], weights["b"][twin]
    ran = exact(TRANSPOSED.replace("G", str(group)), weights, runtime)
    assert shapes(ran)["w"] == (left, 3, 1, 1)
    assert_same_function(ran, IMAGE)


TIED = """g (float[N,3,8,8] x) => (float[N,6,8,8] y) {
    a = Conv(x, w, b)
    d = Conv(a, v)
    e = Conv(d, v)
    y = Mul(e, e)
}"""


def test_tied_weights_take_nothing_in(runtime: Runtime) -> None:
    weights = weights_of({"w": (6, 3, 1, 1), "b": (6,), "v": (6, 6, 1, 1)})
    weights["w"][0], weights["b"][0] = weights["w"][1], weights["b"][1]
    weights["w"][2] = 0
    ran = exact(TIED, weights, runtime)
    assert shapes(ran) == {"w": (6, 3, 1, 1), "b": (6,), "v": (6, 6, 1, 1)}


def test_a_chain_of_dead_layers_goes_round_by_round(runtime: Runtime) -> None:
    """What is read by dead channels alone is dead itself, once these are gone."""
    text = """g (float[N,3,8,8] x) => (float[N,4,8,8] y) {
        a = Conv(x, w0)
        b = Conv(a, w1)
        c = Conv(b, w2)
        d = Conv(c, w3)
        y = Relu(d)
    }"""
    weights = weights_of({"w0": (6, 3, 1, 1), "w1": (6, 6, 1, 1), "w2": (6, 6, 1, 1), "w3": (4, 6, 1, 1)})
    weights["w3"][:, 2] = 0
    weights["w2"][[0, 1, 3, 4, 5], 3] = 0
    weights["w1"][[0, 1, 2, 4, 5], 4] = 0
    ran = exact(text, weights, runtime)
    assert shapes(ran) == {"w0": (5, 3, 1, 1), "w1": (5, 5, 1, 1), "w2": (5, 5, 1, 1), "w3": (4, 5, 1, 1)}
    assert_same_function(ran, IMAGE)


CHAIN = """g (float[N,3,8,8] x) => (float[N,4,8,8] y) {
    a = Conv(x, w0, b0)
    r = Relu(a)
    b = Conv(r, w1, b1)
    s = Relu(b)
    c = Conv(s, w2, b2)
    y = Relu(c)
}"""


def chain() -> dict[str, np.ndarray]:
    """A duplicate and a dead channel in each of two layers."""
    widths = {"w0": (6, 3, 1, 1), "b0": (6,), "w1": (5, 6, 1, 1), "b1": (5,), "w2": (4, 5, 1, 1), "b2": (4,)}
    weights = weights_of(widths, "float16")
    for name in ("w0", "b0", "w1", "b1"):
        weights[name][1] = weights[name][0]
    weights["w1"][:, 3] = 0
    weights["w2"][:, 3] = 0
    return weights


def test_what_goes_of_several_groups_goes_together(runtime: Runtime) -> None:
    ran = exact(CHAIN, chain(), runtime, dtype="float16")
    assert ran.summaries == ["2 unread and 2 duplicate of 11 units of 2 groups of channels -> removed"]
    assert (shapes(ran)["w0"], shapes(ran)["w1"], shapes(ran)["w2"]) == ((4, 3, 1, 1), (3, 4, 1, 1), (4, 3, 1, 1))


def test_weights_that_leave_the_range_of_their_type_hold_their_group_alone(runtime: Runtime) -> None:
    weights = chain()
    weights["w2"][:, :2] = 40_000
    ran = exact(CHAIN, weights, runtime, dtype="float16")
    assert ran.summaries == ["1 unread and 1 duplicate of 6 channels of a -> removed"]
    assert any("leave the range of float16" in reason for reason in ran.refusals.values())
    assert (shapes(ran)["w0"], shapes(ran)["w1"]) == ((4, 3, 1, 1), (5, 4, 1, 1))


def test_what_is_rolled_back_together_is_tried_group_by_group(runtime: Runtime) -> None:
    together = exact(CHAIN, chain(), runtime, dtype="float16").result.applied
    ran = exact(CHAIN, chain(), runtime, dtype="float16", without=together)
    assert sorted(ran.summaries) == [
        f"1 unread and 1 duplicate of {n} channels of {x} -> removed" for n, x in ((5, "b"), (6, "a"))
    ]
    assert any("rolled back" in reason for reason in ran.refusals.values())


def test_a_dead_unit_of_an_lstm_goes(runtime: Runtime) -> None:
    """Its column of the recurrent weights is zero, and nobody else reads it."""
    text = """g (float[T,N,3] x) => (float[T,N,4] y) {
        h, s, c = LSTM<hidden_size=5>(x, w, r, b)
        q = Squeeze(h, one)
        m = MatMul(q, v)
        y = Relu(m)
    }"""
    weights = weights_of({"w": (1, 20, 3), "r": (1, 20, 5), "b": (1, 40), "v": (5, 4)})
    weights["r"][:, :, 2] = 0
    weights["v"][2] = 0
    ran = exact(text, {**weights, "one": np.array([1], np.int64)}, runtime)
    assert (shapes(ran)["r"], shapes(ran)["v"]) == ((1, 16, 4), (4, 4))

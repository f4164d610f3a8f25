"""Widening every kind of group: sizes are those wanted, and the proof of the pipeline says equal.

Numbers as in the docstring of `InsertChannels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import graphmorph
from graphmorph.errors import UsageError
from graphmorph.onnx_door import to_model
from graphmorph.passes.insert_channels import InsertChannels
from graphmorph.pipeline import FuseResult
from tests.passes.text_models import Weights, build, norm

Sizes = dict[str, tuple[int, ...]]

PLAIN = """g (float[N,3,8,8] x) => (float[N,2,6,6] y) {
    a = Conv<pads=[1,1,1,1]>(x, w, c)  n = BatchNormalization(a, s, b, m, v)  r = Relu(n)  y = Conv(r, u) }"""
PLAIN_WEIGHTS: Weights = {"w": (4, 3, 3, 3), "c": (4,), **norm(4), "u": (2, 4, 3, 3)}

KINDS: dict[str, tuple[str, Weights, int, Sizes]] = {
    "plain": (PLAIN, PLAIN_WEIGHTS, 17, {"w": (6, 3, 3, 3), "s": (6,), "u": (2, 6, 3, 3)}),
    "residual": (
        """g (float[N,3,8,8] x) => (float[N,2,8,8] y) {
        a = Conv(x, w)  r = Relu(a)  c = Conv<pads=[1,1,1,1]>(r, v)  d = Conv<pads=[1,1,1,1]>(c, t)
        s = Add(d, r)  y = Conv(s, u) }""",
        {"w": (4, 3, 1, 1), "v": (5, 4, 3, 3), "t": (4, 5, 3, 3), "u": (2, 4, 1, 1)},
        17,
        {"w": (6, 3, 1, 1), "v": (7, 6, 3, 3), "t": (6, 7, 3, 3), "u": (2, 6, 1, 1)},
    ),
    "concat": (
        """g (float[N,3,8,8] x) => (float[N,2,8,8] y) {
        a = Conv(x, w)  b = Conv(x, v)  c = Concat<axis=1>(a, b, a)  r = Sigmoid(c)  y = Conv(r, u) }""",
        {"w": (4, 3, 1, 1), "v": (3, 3, 1, 1), "u": (2, 11, 1, 1)},
        17,
        {"w": (6, 3, 1, 1), "v": (5, 3, 1, 1), "u": (2, 17, 1, 1)},
    ),
    "shuffle": (
        """g (float[N,3,8,8] x) => (float[N,2,8,8] y)
        <int64[5] p = {0, 2, 3, 8, 8}, int64[4] q = {0, 6, 8, 8}> {
        a = Conv(x, w)  i = Reshape(a, p)  t = Transpose<perm=[0,2,1,3,4]>(i)  o = Reshape(t, q)  y = Conv(o, u) }""",
        {"w": (6, 3, 1, 1), "u": (2, 6, 1, 1)},
        17,
        {"w": (10, 3, 1, 1), "u": (2, 10, 1, 1)},
    ),
    "grouped": (
        """g (float[N,3,8,8] x) => (float[N,2,8,8] y) {
        a = Conv(x, w)  g = Conv<group=2>(a, v)  r = Relu(g)  y = Conv(r, u) }""",
        {"w": (6, 3, 1, 1), "v": (4, 3, 1, 1), "u": (2, 4, 1, 1)},
        17,
        {"w": (10, 3, 1, 1), "v": (8, 5, 1, 1), "u": (2, 8, 1, 1)},
    ),
    "depthwise": (
        """g (float[N,3,8,8] x) => (float[N,2,6,6] y) {
        a = Conv(x, w)  g = Conv<group=4>(a, v)  r = Relu(g)  y = Conv(r, u) }""",
        {"w": (4, 3, 1, 1), "v": (8, 1, 3, 3), "u": (2, 8, 1, 1)},
        17,
        {"w": (6, 3, 1, 1), "v": (12, 1, 3, 3), "u": (2, 12, 1, 1)},
    ),
    "flattened": (
        """g (float[N,3,4,4] x) => (float[N,2] y) {
        a = Conv(x, w)  r = Relu(a)  f = Flatten(r)  y = Gemm<transB=1>(f, u) }""",
        {"w": (4, 3, 1, 1), "u": (2, 64)},
        17,
        {"w": (6, 3, 1, 1), "u": (2, 96)},
    ),
    "heads": (
        """g (float[N,5,6] x) => (float[N,5,6] y) <int64[4] p = {0, 5, 4, 3}, int64[3] z = {0, 5, 12}> {
        a = MatMul(x, wq)  b = MatMul(x, wk)  c = MatMul(x, wv)
        i = Reshape(a, p)  q = Transpose<perm=[0,2,1,3]>(i)  j = Reshape(b, p)  k = Transpose<perm=[0,2,3,1]>(j)
        l = Reshape(c, p)  h = Transpose<perm=[0,2,1,3]>(l)
        s = MatMul(q, k)  t = Softmax<axis=3>(s)  m = MatMul(t, h)  o = Transpose<perm=[0,2,1,3]>(m)
        e = Reshape(o, z)  y = MatMul(e, u) }""",
        {"wq": (6, 12), "wk": (6, 12), "wv": (6, 12), "u": (12, 6)},
        17,
        {"wq": (6, 18), "wk": (6, 18), "wv": (6, 18), "u": (18, 6)},
    ),
    "skip of a U-Net": (
        """g (float[N,3,8,8] x) => (float[N,2,8,8] y) {
        a = Conv<pads=[1,1,1,1]>(x, w)  d = MaxPool<kernel_shape=[2,2], strides=[2,2]>(a)
        e = Conv<pads=[1,1,1,1]>(d, v)  f = ConvTranspose<strides=[2,2]>(e, t)
        c = Concat<axis=1>(a, f)  y = Conv(c, u) }""",
        {"w": (4, 3, 3, 3), "v": (6, 4, 3, 3), "t": (6, 3, 2, 2), "u": (2, 7, 1, 1)},
        17,
        {"w": (6, 3, 3, 3), "v": (8, 6, 3, 3), "t": (8, 5, 2, 2), "u": (2, 11, 1, 1)},
    ),
    "recurrent": (
        """g (float[7,N,3] x) => (float[7,N,2] y) <int64[1] one = {1}> {
        a, h, c = LSTM<hidden_size=4>(x, w, r, b)  s = Squeeze(a, one)  y = MatMul(s, u) }""",
        {"w": (1, 16, 3), "r": (1, 16, 4), "b": (1, 32), "u": (4, 2)},
        17,
        {"w": (1, 24, 3), "r": (1, 24, 6), "b": (1, 48), "u": (6, 2)},
    ),
    "groups of a normalisation": (
        """g (float[N,3,8,8] x) => (float[N,2,8,8] y) {
        a = Conv(x, w)  n = GroupNormalization<num_groups=3>(a, s, b)  y = Conv(n, u) }""",
        {"w": (6, 3, 1, 1), "s": (6,), "b": (6,), "u": (2, 6, 1, 1)},
        21,
        {"w": (10, 3, 1, 1), "s": (10,), "u": (2, 10, 1, 1)},
    ),
}


def wider(text: str, weights: Weights, opset: int = 17, **options: Any) -> tuple[FuseResult, dict[str, np.ndarray]]:
    result = graphmorph.widen(build(text, weights, opset=opset), **options)
    model = to_model(result.graph)
    onnx.checker.check_model(model, full_check=True)
    return result, {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.mark.parametrize("kind", KINDS)
def test_every_group_grows_and_the_function_stays(kind: str) -> None:
    assert_grows(kind)


@pytest.mark.parametrize("kind", ["residual", "depthwise", "grouped", "skip of a U-Net"])
def test_new_filters_that_nobody_reads_change_nothing(kind: str) -> None:
    assert_grows(kind, correlation="auto", masters="random")


def assert_grows(kind: str, **options: Any) -> None:
    text, weights, opset, sizes = KINDS[kind]
    result, constants = wider(text, weights, opset, count=2, **options)
    assert result.report.proof is not None
    assert (result.exit_code, result.report.proof.verdict) == (0, "equal")
    assert {name: constants[name].shape for name in sizes} == sizes


def test_masters_are_the_largest_or_those_that_are_named() -> None:
    weights = {**PLAIN_WEIGHTS, "w": np.arange(1.0, 5.0).reshape(4, 1, 1, 1) * np.ones((4, 3, 3, 3))}
    _, constants = wider(PLAIN, weights, count=1)
    assert constants["w"][:, 0, 0, 0].tolist() == [1, 2, 3, 4, 4]
    result, constants = wider(PLAIN, weights, masters={"a": [1, 1, 0]})
    assert constants["w"][:, 0, 0, 0].tolist() == [1, 1, 2, 2, 2, 3, 4]
    old = numpy_helper.to_array(next(t for t in build(PLAIN, weights).graph.initializer if t.name == "u"))
    shares = np.array([2, 2, 3, 3, 3, 1, 1])[:, None, None]
    np.testing.assert_allclose(constants["u"], old[:, [0, 0, 1, 1, 1, 2, 3]] / shares, rtol=1e-6)
    (site,) = [one for one in result.report.rewrites if one.pass_name == "insert-channels"]
    assert site.summary == "add 3 units to 1 groups of channels: a 4 -> 7"


@pytest.mark.parametrize(
    ("correlation", "expected"),
    [
        ("inverse", [[-1, -2, -3], [-4, -5, -6], [-7, -8, -9]]),
        ("rotation", [[3, 6, 9], [2, 5, 8], [1, 4, 7]]),
        ("scale", [[0.5, 1, 1.5], [2, 2.5, 3], [3.5, 4, 4.5]]),
        ("translation", [[0, 1, 2], [0, 4, 5], [0, 7, 8]]),
        ("copy", [[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
    ],
)
def test_new_filters_are_correlated_with_their_masters(correlation: str, expected: list[list[float]]) -> None:
    weights = {**PLAIN_WEIGHTS, "w": np.zeros((4, 3, 3, 3)) + np.arange(1.0, 10.0).reshape(3, 3)}
    _, constants = wider(PLAIN, weights, masters={"a": [1]}, correlation=correlation, outgoing="zero")
    assert constants["w"][2, 0].tolist() == expected
    assert constants["w"][1, 0].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert constants["s"][1] == constants["s"][2]
    assert not constants["u"][:, 2].any()
    assert constants["u"][:, 1].any()


def test_the_correlation_follows_the_quarter_of_the_network() -> None:
    convs = "  ".join(f"a{i} = Conv<pads=[1,1,1,1]>({'x' if i == 0 else f'a{i - 1}'}, w{i})" for i in range(8))
    text = f"g (float[N,2,5,5] x) => (float[N,2,5,5] a7) {{ {convs} }}"
    result, _ = wider(text, {f"w{i}": (2, 2, 3, 3) for i in range(8)}, count=1, correlation="auto")
    (site,) = [one for one in result.report.rewrites if one.pass_name == "insert-channels"]
    order = [part.split("(")[1].rstrip(")") for part in site.summary.split(": ", 1)[1].split(", ")]
    assert order == ["inverse"] * 2 + ["rotation"] * 2 + ["scale"] * 2 + ["translation"]


@pytest.mark.parametrize(
    "options", [{"outgoing": "copy"}, {"noise": 0.1}, {"correlation": "scale", "outgoing": "split"}]
)
def test_what_changes_outputs_is_approximate(options: dict[str, Any]) -> None:
    result, _ = wider(PLAIN, PLAIN_WEIGHTS, count=1, **options)
    assert result.report.proof is not None
    assert (result.exit_code, result.report.proof.verdict) == (0, "different")
    assert InsertChannels(**options).kind == "approximate"


def test_noise_on_what_nobody_reads_changes_nothing() -> None:
    result, constants = wider(PLAIN, PLAIN_WEIGHTS, masters={"a": [0]}, noise=0.1, outgoing="zero")
    assert result.report.proof is not None
    assert result.report.proof.verdict == "equal"
    assert 0.01 < np.abs(constants["w"][1] - constants["w"][0]).std() < 1.0


NORMALISED = """g (float[N,5,3] x) => (float[N,5,2] y) {
    a = MatMul(x, w)  n = LayerNormalization(a, s, b)  y = MatMul(n, u) }"""
NORMALISED_WEIGHTS: Weights = {"w": (3, 4), "s": (4,), "b": (4,), "u": (4, 2)}


def test_statistics_allow_even_copies_alone() -> None:
    result, constants = wider(NORMALISED, NORMALISED_WEIGHTS, count=1)
    (refusal,) = [one for one in result.report.refusals if one.pass_name == "insert-channels"]
    assert refusal.reason == "gains no channels: LayerNormalization n: takes the normalisation over it"
    assert constants["w"].shape == (3, 4)
    result, constants = wider(NORMALISED, NORMALISED_WEIGHTS, fraction=2.0)
    assert result.report.proof is not None
    assert (result.report.proof.verdict, constants["w"].shape) == ("equal", (3, 12))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("s = ReduceSum<keepdims=1>(a, two)  y = MatMul(s, u)", "ReduceSum s: takes the sum over it"),
        ("m = Mul(a, a)  s = ReduceMean<axes=[2]>(m)  y = MatMul(s, u)", "ReduceMean s: takes the mean over it"),
        (
            "t = Transpose<perm=[0,2,1]>(a)  y = MatMul(a, t)",
            "MatMul y: multiplies it by what is computed, and sums the products up",
        ),
    ],
)
def test_sums_that_nothing_weighs_are_refused(text: str, reason: str) -> None:
    model = f"g (float[N,5,3] x) => (float[] y) <int64[1] two = {{2}}> {{ a = MatMul(x, w)  {text} }}"
    result = graphmorph.widen(build(model, {"w": (3, 4), "u": (1, 2)}), count=1)
    assert [one.reason for one in result.report.refusals] == [f"gains no channels: {reason}"]


def test_an_order_that_a_node_does_not_understand_is_refused() -> None:
    """Half of a tensor meets the other half turned round: the middle two are one unit, and in different halves."""
    text = """g (float[N,3] x) => (float[N,2] y) <int64[4] back = {3, 2, 1, 0}> {
        a = MatMul(x, w)  b, c = Split<axis=1>(a)  r = Gather<axis=1>(c, back)  d = Add(b, r)  y = MatMul(d, u) }"""
    model = build(text, {"w": (3, 8), "u": (4, 2)})
    result = graphmorph.widen(model, masters={"a": [3]})
    (refusal,) = result.report.refusals
    assert refusal.reason == "gains no channels: Split b: what is copied would not lie in one part"
    result = graphmorph.widen(model, masters={"a": [2]})
    assert result.report.proof is not None
    assert (result.report.proof.verdict, result.report.after.parameters) == ("equal", 40)


def test_options_that_do_not_exist_are_named() -> None:
    model = build(PLAIN, PLAIN_WEIGHTS)
    with pytest.raises(UsageError, match="no group is called nothing; there are a"):
        graphmorph.widen(model, groups=["nothing"])
    with pytest.raises(UsageError, match="group a has units from 0 to 3"):
        graphmorph.widen(model, masters={"a": [4]})
    with pytest.raises(UsageError, match="correlation is odd; give one of auto, copy, inverse"):
        graphmorph.widen(model, correlation="odd")
    with pytest.raises(UsageError, match="there is no option odd"):
        graphmorph.widen(model, odd=1)
    with pytest.raises(UsageError, match="numbers of 0 or more"):
        graphmorph.widen(model, fraction=-1)

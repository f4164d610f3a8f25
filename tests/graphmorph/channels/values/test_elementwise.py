"""Elementwise operators: every claim against onnxruntime, and the planted channels are found."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.graphmorph.channels.values.oracle import assert_true, check, constants, duplicates, find, run
from tests.graphmorph.channels.values.planted import NAN, planted
from tests.passes.text_models import build

UNARY = {
    "Relu(t)": (0.0, 0.75),
    "Sigmoid(t)": (0.5, 1 / (1 + np.exp(-0.75))),
    "Tanh(t)": (0.0, np.tanh(0.75)),
    "Erf(t)": (0.0, 0.7111556),
    "Exp(t)": (1.0, np.exp(0.75)),
    "Softplus(t)": (np.log(2), np.log1p(np.exp(0.75))),
    "Softsign(t)": (0.0, 0.75 / 1.75),
    "Atan(t)": (0.0, np.arctan(0.75)),
    "Sqrt(p)": (0.0, np.sqrt(0.75)),
    "Floor(t)": (0.0, 0.0),
    "Ceil(t)": (0.0, 1.0),
    "Round(t)": (0.0, 1.0),
    "Sign(t)": (0.0, 1.0),
    "Abs(t)": (0.0, 0.75),
    "Neg(t)": (0.0, -0.75),
    "Elu(t)": (0.0, 0.75),
    "Elu<alpha=-0.5>(t)": (NAN, NAN),
    "Selu(t)": (0.0, 0.75 * 1.0507009873554805),
    "Celu<alpha=2.0>(t)": (0.0, 0.75),
    "LeakyRelu<alpha=0.2>(t)": (0.0, 0.75),
    "LeakyRelu<alpha=-0.2>(t)": (NAN, NAN),
    "HardSigmoid(t)": (0.5, 0.65),
    "HardSwish(t)": (0.0, 0.75 * (0.75 / 6 + 0.5)),
    "ThresholdedRelu<alpha=0.5>(t)": (0.0, 0.75),
    "Sin(t)": (NAN, NAN),
    "Clip(t, lo, hi)": (0.0, 0.5),
    "Log(p)": (NAN, np.log(0.75)),
    "Reciprocal(t)": (NAN, 1 / 0.75),
}


@pytest.mark.parametrize("call", UNARY)
def test_functions_of_one_tensor(call: str) -> None:
    model = planted(f"y = {call}", {"lo": np.array(-0.5), "hi": np.array(0.5)})
    values = check(model)
    third, fourth = UNARY[call]
    np.testing.assert_allclose(constants(values, "y")[:5], [NAN, NAN, third, fourth, NAN], rtol=1e-5)
    assert (0, 1) in duplicates(values, "y")


@pytest.mark.parametrize("call", ["Gelu(t)", 'Gelu<approximate="tanh">(t)'])
def test_gelu(call: str) -> None:
    values = check(planted(f"y = {call}", opset=20, ir=9))
    expected = 0.75 * 0.7733726
    np.testing.assert_allclose(constants(values, "y")[:5], [NAN, NAN, 0, expected, NAN], rtol=1e-3)
    assert duplicates(values, "y") == [(0, 1)]


def test_mish() -> None:
    values = check(planted("y = Mish(t)", opset=18))
    assert constants(values, "y")[2] == 0


def test_bounds_of_gelu_are_those_of_what_runtimes_make_of_it() -> None:
    """onnxruntime's is positive at -5.027: its tanh is below -1 there."""
    model = build(
        'g (float[N] x) => (y) { n = Neg(x) r = Relu(n) a = Neg(r) b = Gelu(a) y = Gelu<approximate="tanh">(a) }',
        opset=20,
        ir=9,
    )
    values = find(model)
    arrays = run(model, {"x": np.linspace(-20, 0, 100001, dtype=np.float32)})
    assert_true(values, arrays)
    assert values.high("y") > 0


@pytest.mark.parametrize("function", ["Relu", "HardSwish", "Sigmoid", "Softplus", "Elu", "Mish"])
def test_what_never_rises_above_a_sign_is_dead(function: str) -> None:
    """The last row of the planted convolution is negative, its inputs and bias never positive."""
    values = check(planted(f"u = Neg(p) a = {function}(u) y = Relu(a)", opset=18))
    dead = constants(values, "y")
    assert dead[5] == 0 if function not in ("Sigmoid", "Softplus") else dead[5] > 0
    assert constants(values, "p")[5] == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y = Add(t, t)", (0.0, 1.5)),
        ("y = Sub(t, t)", (0.0, NAN)),
        ("y = Mul(t, t)", (0.0, 0.5625)),
        ("y = Mul(t, v)", (0.0, 0.75 * 3)),
        ("y = Add(v, t)", (2.0, 3.75)),
        ("y = Div(t, v)", (0.0, 0.25)),
        ("y = Div(t, t)", (NAN, 1.0)),
        ("y = Max(t, half, p)", (0.5, 0.75)),
        ("y = Min(t, half)", (0.0, 0.5)),
        ("y = Sum(t, p, v)", (2.0, 4.5)),
        ("y = Pow(t, two)", (0.0, 0.5625)),
        ("y = Pow(p, half)", (0.0, np.sqrt(0.75))),
        ("y = PRelu(t, v)", (0.0, 0.75)),
        ("n = Neg(t) y = PRelu(n, v)", (0.0, -2.25)),
        ("y = Where(c, t, p)", (0.0, 0.75)),
        ("y = Where(f, t, v)", (2.0, 3.0)),
        ("s = Sigmoid(t) y = Mul(t, s)", (0.0, 0.75 / (1 + np.exp(-0.75)))),
    ],
)
def test_functions_of_two_tensors(text: str, expected: tuple[float, float]) -> None:
    weights = {
        "v": np.array([1.0, 1.0, 2.0, 3.0, 1.0, 1.5]).reshape(6, 1, 1),
        "half": np.array(0.5, np.float32),
        "two": np.array(2.0),
        "c": np.arange(64).reshape(8, 8) % 3 == 0,
        "f": np.array([[[False]]]),
    }
    values = check(planted(text, weights))
    np.testing.assert_allclose(constants(values, "y")[2:4], expected, rtol=1e-5)
    assert (0, 1) in duplicates(values, "y") or "f, t" in text


def test_a_parameter_that_differs_makes_duplicates_different() -> None:
    values = check(planted("y = Mul(t, v)", {"v": np.array([1.0, 2.0, 1, 1, 1, 1]).reshape(6, 1, 1)}))
    assert duplicates(values, "y") == []


def test_operands_may_change_places() -> None:
    weights = {"a": (1, 4, 8, 8), "b": (1, 4, 8, 8)}
    steps = "c = Mul(x, a) d = Mul(a, x) y = Concat<axis=1>(c, d) z = Sub(x, a) w = Sub(a, x)"
    values = check(build(f"g (float[N,4,8,8] x) => (y) {{ {steps} }}", weights))
    assert (values.number("c") == values.number("d")).all()
    assert not np.isin(values.number("z"), values.number("w")).any()


def test_a_square_is_not_negative() -> None:
    values = check(planted("s = Mul(t, t) n = Neg(s) y = Relu(n)"))
    assert constants(values, "y") == [0.0] * 6


def test_cancellation_is_no_constant() -> None:
    """In float32, 1e8 + 0.1 - 1e8 is 0: what float64 makes of it says nothing."""
    values = check(planted("a = Add(t, big) y = Sub(a, big)", {"big": np.array(1e8)}))
    assert np.isnan(constants(values, "y")[3])


def test_steps_are_taken_only_where_rounding_cannot_matter() -> None:
    """0.75 / 3 * 4 may be just below 1."""
    values = check(
        planted("a = Div(t, three) b = Mul(a, four) y = Floor(b)", {"three": np.array(3.0), "four": np.array(4.0)})
    )
    assert np.isnan(constants(values, "y")[3])
    assert constants(values, "y")[2] == 0
    thousand = {"three": np.array(3.0), "four": np.array(4004.0)}
    values = check(planted("a = Div(t, three) b = Mul(a, four) y = Floor(b)", thousand))
    assert np.isnan(constants(values, "y")[3])
    assert constants(values, "b")[3] == 1001


def test_half_precision() -> None:
    text = "s = Sigmoid(t) m = Mul(t, s) a = Add(m, t) c = Exp(t) d = Div(a, c) y = Relu(d)"
    values = check(planted(text, dtype="float16"), kinds=("usual", "negative", "zero"))
    assert constants(values, "y")[2] == 0
    assert duplicates(values, "y") == [(0, 1)]


def test_double_precision() -> None:
    """Bounds are those of float64, where a third of a third has another last bit."""
    text = "g (double[N,3] x) => (y) { r = Relu(x) a = Mul(r, k) b = Add(a, k) c = Exp(a) y = Mul(c, b) }"
    values = check(build(text, {"k": np.array([1 / 3, 0.0, 0.0])}, dtype="double"))
    assert constants(values, "a")[1:] == [0, 0]
    assert constants(values, "c")[1:] == pytest.approx([1, 1])


def test_casts() -> None:
    text = (
        "h = Cast<to=10>(t) f = Cast<to=1>(h) i = Cast<to=7>(t) y = Cast<to=1>(i) g = Greater(t, v) z = Cast<to=1>(g)"
    )
    values = check(planted(text, {"v": np.array(0.5)}), kinds=("usual", "zero"))
    assert constants(values, "f")[2:4] == [0, 0.75]
    assert np.isnan(constants(values, "y")).all()
    assert duplicates(values, "y") == [(0, 1)]
    found = values.low("z"), values.high("z")
    assert (found[0] == 0).all()
    assert (found[1] == 1).all()


def test_integers_are_not_calculated() -> None:
    text = "g (int32[N,4] x) => (y) { a = Mul(x, k) b = Div(a, k) y = Add(a, b) }"
    model = build(text, {"k": np.array([1, 2, 2, 3], np.int32)})
    values = check(model)
    assert np.isnan(values.constant("y")).all()


def test_overridable_initializers_are_inputs() -> None:
    model = build("g (float[N,4,8,8] x, float[4,1,1] k) => (y) { y = Mul(x, k) }", {"k": np.zeros((4, 1, 1))})
    assert np.isnan(check(model).constant("y")).all()


def test_dropout_is_nothing_unless_it_trains() -> None:
    values = check(planted("y = Dropout(t)"))
    assert (values.number("y") == values.number("t")).all()
    model = planted("y, mask = Dropout(t, half, yes)", {"half": np.array(0.5, np.float32), "yes": np.array(True)})
    assert np.isnan(check(model, kinds=()).constant("y")).all()


def test_constant_nodes_are_constants() -> None:
    values = check(planted("k = Constant<value = float {0.5}>() z = Constant<value = float {0}>() y = Clip(t, z, k)"))
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, 0, 0.5, NAN, 0])
    assert constants(values, "k") == [0.5]


def test_filled_tensors_are_constant() -> None:
    text = "s = Shape(t) z = ConstantOfShape<value = float[1] {2}>(s) y = Mul(z, t)"
    values = check(planted(text))
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, 0, 1.5, NAN, NAN])


def test_what_has_no_rule_is_not_known() -> None:
    values = check(planted("y = CumSum(t, one)", {"one": np.array(1)}))
    assert constants(values, "y") == pytest.approx([NAN], nan_ok=True)
    assert np.isneginf(values.low("y")).all()


def test_the_border_of_a_type() -> None:
    """Beyond 65504 nothing is said of float16."""
    model = planted("a = Mul(t, big) y = Add(a, a)", {"big": np.array(60000.0)}, dtype="float16")
    values = check(model, kinds=("zero",))
    assert np.isnan(constants(values, "y")[3])
    assert values.facts["y"].dtype == onnx.TensorProto.FLOAT16


def test_a_gate_near_one_half_is_a_constant() -> None:
    """GELU of a tiny constant, in the operators that exporters write: 1 + erf(x) is known though erf(x) is not."""
    text = """g (float[N,3] x) => (float[N,4] y) {
        a = MatMul(x, w)
        b = Add(a, bias)
        c = Div(b, root)
        d = Erf(c)
        e = Add(d, one)
        f = Mul(b, e)
        y = Mul(f, half)
    }"""
    weights = {
        "w": np.array([[1.0, 0, 2, 0], [1, 0, 1, 0], [0, 0, 3, 0]], np.float32),
        "bias": np.array([1, 1e-6, 2, -3e-7], np.float32),
        "root": np.array(2**0.5, np.float32),
        "one": np.array(1.0, np.float32),
        "half": np.array(0.5, np.float32),
    }
    values = check(build(text, weights))
    found = np.array(constants(values, "y"))
    np.testing.assert_allclose(found[[1, 3]], [0.5e-6, -1.5e-7], rtol=1e-4)
    assert np.isnan(found[[0, 2]]).all()


@pytest.mark.parametrize("gated", ["Gelu(b)", 'Gelu<approximate="tanh">(b)', "HardSwish(b)"])
def test_a_gated_tiny_constant_is_a_constant(gated: str) -> None:
    """What a gate is off is a part of the argument: it does not hide the value near 0."""
    text = f"""g (float[N,3] x) => (float[N,4] y) {{
        a = MatMul(x, w)
        b = Add(a, bias)
        y = {gated}
    }}"""
    weights = {
        "w": np.array([[1.0, 0, 2, 0], [1, 0, 1, 0], [0, 0, 3, 0]], np.float32),
        "bias": np.array([1, 1e-6, 2, -3e-7], np.float32),
    }
    found = np.array(constants(check(build(text, weights, opset=20)), "y"))
    np.testing.assert_allclose(found[[1, 3]], [0.5e-6, -1.5e-7], rtol=1e-4)
    assert np.isnan(found[[0, 2]]).all()

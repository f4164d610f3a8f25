"""Case 4 of fold-batchnorm: what it must leave alone, exactly as it was, with the reason in its report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphmorph.runtime import Runtime
from tests.passes.text_models import (
    Ran,
    Weight,
    Weights,
    assert_refused,
    build,
    norm,
    run,
)

CONV: dict[str, Weight] = {"w": (6, 4, 3, 3), **norm(6)}
NORMALISED = """g (float[N,4,H,W] x) => (float[N,6,H,W] y) {
    c = Conv<pads=[1,1,1,1]>(x, w)
    y = BatchNormalization(c, s, b, m, v)
}"""


def fold(runtime: Runtime, text: str, weights: Weights, **options: Any) -> Ran:
    freeze = options.pop("freeze", False)
    return run(build(text, weights, **options), runtime, "fold-batchnorm", freeze=freeze)


PADDED = "g (float[1,4,8,8] x) => (float[1,6,P,Q] y) { p = %s y = Conv(p, w) }"


TRANSPOSED = "g (float[1,4,5,5] x) => (float[1,6,7,7] y%s) { c = ConvTranspose(x, w) %s }"


@pytest.mark.parametrize(
    ("pad", "operands", "reason"),
    [
        ('Pad<mode="reflect">(x, q)', {}, "Pad has mode reflect"),
        ('Pad<mode="edge">(x, q)', {}, "Pad has mode edge"),
        (
            "Pad(x, q, one)",
            {"one": np.array(1.0)},
            "the border that it pads with is not the bias of its input (at y)",
        ),
        ("Pad(x, q)", {"q": np.array([0, 2, 1, 1, 0, 0, 1, 1])}, "Pad pads the batch or the channels"),
        ("Pad(x, q)", {"q": np.array([0, 0, -9, 0, 0, 0, 0, 0])}, "Pad crops its input to nothing"),
        (
            "Pad(x, q)",
            {"q": np.array([0, 0, -1, -1, 0, 0, 1, 1])},
            "one kernel would take 384 multiply-adds a position instead of 216 (at y)",
        ),
    ],
)
def test_4_pads_that_no_convolution_has(runtime: Runtime, pad: str, operands: dict[str, Weight], reason: str) -> None:
    channels = 6 if "channels" in reason else 4
    weights = {"w": (6, channels, 3, 3), "q": np.array([0, 0, 1, 1, 0, 0, 1, 1]), **operands}
    assert_refused(fold(runtime, PADDED % pad, weights), p=reason)


@pytest.mark.parametrize(
    ("outputs", "rest", "reason"),
    [
        (", float[1,4,10,10] z", "z = Relu(p)", "p is also read elsewhere (by Conv, Relu)"),
        (", float[1,4,10,10] p", "", "p is a graph output"),
    ],
)
def test_4_a_pad_that_others_read(runtime: Runtime, outputs: str, rest: str, reason: str) -> None:
    text = f"g (float[1,4,8,8] x) => (float[1,6,8,8] y{outputs}) {{ p = Pad(x, q) y = Conv(p, w) {rest} }}"
    assert_refused(fold(runtime, text, {"w": (6, 4, 3, 3), "q": np.array([0, 0, 1, 1, 0, 0, 1, 1])}), p=reason)


def test_4_a_pad_by_computed_amounts(runtime: Runtime) -> None:
    text = "g (float[1,4,8,8] x, int64[8] q) => (float[1,6,P,Q] y) { p = Pad(x, q) y = Conv(p, w) }"
    assert_refused(fold(runtime, text, {"w": (6, 4, 3, 3)}), p="Pad has bounds that are computed (q)")


@pytest.mark.parametrize(
    ("outputs", "rest", "constants", "reason"),
    [
        (
            ", float[1,6,7,7] z",
            "y = BatchNormalization(c, s, b, m, v) z = Relu(c)",
            norm(6),
            "its input: c is also read elsewhere (by BatchNormalization, Relu)",
        ),
        (
            ", float[1,6,7,7] c",
            "y = BatchNormalization(c, s, b, m, v)",
            norm(6),
            "its input: c is a graph output",
        ),
        ("", "y = Mul(c, k)", {"k": (1, 6, 7, 7)}, "constant k of shape (1, 6, 7, 7) is not per channel"),
    ],
)
def test_4_a_transposed_convolution_is_as_strict(
    runtime: Runtime, outputs: str, rest: str, constants: dict[str, Weight], reason: str
) -> None:
    ran = fold(runtime, TRANSPOSED % (outputs, rest), {"w": (4, 6, 3, 3), **constants})
    assert_refused(ran, y=reason)


def test_4_a_transposed_convolution_of_variable_weights(runtime: Runtime) -> None:
    text = """g (float[1,4,5,5] x, float[4,6,3,3] w) => (float[1,6,7,7] y) {
        c = ConvTranspose(x, w)
        y = BatchNormalization(c, s, b, m, v)
    }"""
    assert_refused(
        fold(runtime, text, norm(6)),
        y="its input c is made by ConvTranspose, whose weights are not constant (w)",
    )


# 4. left alone


@pytest.mark.parametrize(
    ("opset", "outputs", "attributes", "reason"),
    [
        (1, "", "<consumed_inputs=[0,0,0,1,1]>", "is_test is 0"),
        (6, "", "", "is_test is 0"),
        (9, ", o1, o2, o3, o4", "", "it puts out batch statistics"),
        (14, "", "<training_mode=1>", "training_mode is 1"),
        (15, ", o1, o2", "<training_mode=1>", "training_mode is 1"),
    ],
)
def test_4_training_mode_of_each_version(
    runtime: Runtime, opset: int, outputs: str, attributes: str, reason: str
) -> None:
    text = NORMALISED.replace("y = BatchNormalization", f"y{outputs} = BatchNormalization{attributes}")
    ran = fold(runtime, text, CONV, opset=opset)
    assert_refused(ran, y=f"BatchNormalization is in training mode ({reason})")


@pytest.mark.parametrize(
    ("constants", "reason"),
    [
        ({"v": np.full(6, -1.0)}, "BatchNormalization has a variance that is not positive"),
        ({"s": np.full(6, np.inf)}, "BatchNormalization has parameters that are not finite"),
        ({"b": (7,)}, "the parameters of BatchNormalization differ in shape"),
    ],
)
def test_4_parameters_that_make_no_sense(runtime: Runtime, constants: dict[str, Weight], reason: str) -> None:
    assert_refused(fold(runtime, NORMALISED, {**CONV, **constants}), y=reason)


def test_4_a_batch_normalisation_of_each_element(runtime: Runtime) -> None:
    text = NORMALISED.replace("BatchNormalization(", "BatchNormalization<spatial=0>(")
    ran = fold(runtime, text, CONV, opset=8)
    assert_refused(ran, y="BatchNormalization with spatial=0 normalises each position by itself")


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((1, 6, 8, 8), "constant k of shape (1, 6, 8, 8) is not per channel"),
        ((8, 8), "constant k of shape (8, 8) is not per channel"),
        ((1, 1, 8, 1), "constant k of shape (1, 1, 8, 1) varies along axis 2, not channels"),
        ((8,), "a constant, or a kernel, runs along another axis than the channels of the rest"),
        ((1, 1, 1, 1, 1), "constant k of shape (1, 1, 1, 1, 1) is not per channel"),
        ((2, 6, 1, 1), "constant k of shape (2, 6, 1, 1) is not per channel"),
    ],
)
@pytest.mark.parametrize("op", ["Mul", "Add"])
def test_4_constants_that_vary_along_space(runtime: Runtime, op: str, shape: tuple[int, ...], reason: str) -> None:
    text = f"g (float[N,4,8,8] x) => (float[N,6,8,8] y) {{ c = Conv<pads=[1,1,1,1]>(x, w) y = {op}(c, k) }}"
    assert_refused(fold(runtime, text, {"w": (6, 4, 3, 3), "k": shape}), y=reason)


def test_4_an_offset_under_zero_padding(runtime: Runtime) -> None:
    text = """g (float[N,4,8,8] x) => (float[N,6,8,8] y) {
        n = BatchNormalization(x, s, b, m, v)
        y = Conv<pads=[1,1,1,1]>(n, w)
    }"""
    ran = fold(runtime, text, {"w": (6, 4, 3, 3), **norm(4)})
    reason = "it pads an input whose bias is not the padding value, so its border differs from the folded kernel's"
    assert_refused(ran, n=f"{reason} (at y)")


@pytest.mark.parametrize(
    ("text", "constants", "reason"),
    [
        (
            "g (float[4,N] x) => (float[N,6] y) { c = Gemm<transA=1>(x, w) y = BatchNormalization(c, s, b, m, v) }",
            {"w": (4, 6)},
            "Gemm transposes its data (transA=1) (at c)",
        ),
        (
            "g (float[3,4] x) => (float[3,6] y) { c = Gemm(x, w, k) y = BatchNormalization(c, s, b, m, v) }",
            {"w": (4, 6), "k": (3, 6)},
            "the bias k of Gemm has shape (3, 6), not one number a channel (at c)",
        ),
        (
            "g (float[N,6,4] x) => (float[N,6,6] y) { c = MatMul(x, w) y = BatchNormalization(c, s, b, m, v) }",
            {"w": (4, 6)},
            "a constant, or a kernel, runs along another axis than the channels of the rest",
        ),
    ],
)
def test_4_matrix_products_whose_channels_are_elsewhere(
    runtime: Runtime, text: str, constants: dict[str, Weight], reason: str
) -> None:
    assert_refused(fold(runtime, text, {**norm(6), **constants}), y=reason)


def test_4_channels_that_are_not_known(runtime: Runtime) -> None:
    text = "g (float[N,C,H,W] x) => (float[N,C,H,W] y) { n = BatchNormalization(x, s, b, m, v) y = Relu(n) }"
    ran = fold(runtime, text, norm(6))
    assert_refused(ran, n="the channels of x are not known (shape ('N', 'C', 'H', 'W'))")


def test_4_a_nonlinear_step_between(runtime: Runtime) -> None:
    text = """g (float[N,4,8,8] x) => (float[N,6,8,8] y) {
        c = Conv<pads=[1,1,1,1]>(x, w)
        r = Relu(c)
        y = BatchNormalization(r, s, b, m, v)
    }"""
    reason = (
        "its input r is made by Relu, and its output is read by the graph's caller: "
        "no weights beside it to fold it into"
    )
    assert_refused(fold(runtime, text, CONV), y=reason)

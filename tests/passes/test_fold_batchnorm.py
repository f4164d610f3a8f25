"""The numbered cases of fold-batchnorm: what it folds, and what it must leave alone and say why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphmorph.graph import constant_array
from graphmorph.runtime import Runtime
from tests.passes.text_models import (
    Ran,
    Weight,
    assert_same_function,
    assert_untouched,
    build,
    norm,
    run,
)

CONV: dict[str, Weight] = {"w": (6, 4, 3, 3), **norm(6)}
NORMALISED = """g (float[N,4,H,W] x) => (float[N,6,H,W] y) {
    c = Conv<pads=[1,1,1,1]>(x, w)
    y = BatchNormalization(c, s, b, m, v)
}"""
SIZES: tuple[dict[str, tuple[int, ...]], ...] = ({"x": (2, 4, 5, 6)}, {"x": (1, 4, 8, 3)})


def fold(runtime: Runtime, text: str, weights: dict[str, Weight], **options: Any) -> Ran:
    freeze = options.pop("freeze", False)
    return run(build(text, weights, **options), runtime, "fold-batchnorm", freeze=freeze)


def assert_refused(ran: Ran, **reasons: str) -> None:
    assert_untouched(ran)
    assert ran.refusals == reasons


# 1. batch normalisation of any version, Mul, Add, Sub, Div by constants, before or behind the weights


@pytest.mark.parametrize("opset", [7, 8, 9, 13, 14, 15, 21])
def test_1_batch_normalisation_of_every_version_at_inference(runtime: Runtime, opset: int) -> None:
    ran = fold(runtime, NORMALISED, CONV, opset=opset)
    assert ran.ops == {"Conv": 1}
    assert ran.edits == (2, 1, 2)
    assert ran.summaries == ["Conv, BatchNormalization -> 1 node"]
    assert ran.refusals == {}
    assert_same_function(ran, *SIZES)


@pytest.mark.parametrize(("opset", "attributes"), [(1, "consumed_inputs=[0,0,0,1,1], is_test=1"), (6, "is_test=1")])
def test_1_batch_normalisation_that_says_that_it_is_inference(
    runtime: Runtime, opset: int, attributes: str
) -> None:
    """onnxruntime and the reference evaluator no longer run these: the folded bias is checked by its formula."""
    text = NORMALISED.replace("BatchNormalization(", f"BatchNormalization<{attributes}>(")
    ran = fold(runtime, text, CONV, opset=opset)
    assert ran.ops == {"Conv": 1}
    assert ran.edits == (2, 1, 2)
    assert ran.summaries == ["Conv, BatchNormalization -> 1 node"]
    s, b, m, v = (norm(6)[name].astype(np.float32).astype(np.float64) for name in "sbmv")  # type: ignore[union-attr]
    bias = constant_array(ran.node("y").inputs[2])
    np.testing.assert_array_equal(bias, (b - m * (s / np.sqrt(v + np.float32(1e-5)))).astype(np.float32))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    "formula",
    ["Mul(c, k)", "Mul(k, c)", "Add(c, k)", "Add(k, c)", "Sub(c, k)", "Sub(k, c)", "Div(c, k)"],
)
@pytest.mark.parametrize("shape", [(1, 6, 1, 1), (6, 1, 1), (1,), ()])
def test_1_constants_on_either_side(
    runtime: Runtime, formula: str, shape: tuple[int, ...], bias: bool
) -> None:
    text = f"""g (float[N,4,H,W] x) => (float[N,6,H,W] y) {{
        c = Conv<pads=[1,1,1,1]>(x, w{", o" if bias else ""})
        y = {formula}
    }}"""
    weights: dict[str, Weight] = {"w": (6, 4, 3, 3), "k": shape, **({"o": (6,)} if bias else {})}
    ran = fold(runtime, text, weights)
    assert ran.ops == {"Conv": 1}
    has_bias = bias or formula[:3] in ("Add", "Sub")
    assert ran.edits == (2, 1, 1 + has_bias)
    assert ran.summaries == [f"Conv, {formula[:3]} -> 1 node"]
    assert_same_function(ran, *SIZES)


def test_1_a_constant_divided_by_the_data_is_not_affine(runtime: Runtime) -> None:
    ran = fold(
        runtime, "g (float[N,4,H,W] x) => (float[N,6,P,Q] y) { c = Conv(x, w) y = Div(k, c) }", {"w": (6, 4, 1, 1), "k": ()}
    )
    assert_refused(ran, y="Div by a variable tensor is not affine")


def test_1_a_whole_chain_goes_in_one_edit(runtime: Runtime) -> None:
    text = """g (float[N,4,H,W] x) => (float[N,6,H,W] y) {
        n = Mul(x, k)
        c = Conv<pads=[1,1,1,1]>(n, w)
        d = BatchNormalization(c, s, b, m, v)
        e = Mul(d, scale)
        y = Add(offset, e)
    }"""
    weights: dict[str, Weight] = {**CONV, "k": (4, 1, 1), "scale": (1, 6, 1, 1), "offset": ()}
    ran = fold(runtime, text, weights)
    assert ran.ops == {"Conv": 1}
    assert ran.edits == (5, 1, 2)
    assert ran.summaries == ["2 Mul, Conv, BatchNormalization, Add -> 1 node"]
    assert_same_function(ran, *SIZES)


def test_1_before_weights_that_do_not_pad(runtime: Runtime) -> None:
    text = """g (float[N,4,H,W] x) => (float[N,6,P,Q] y) {
        n = BatchNormalization(x, s, b, m, v)
        y = Conv(n, w)
    }"""
    ran = fold(runtime, text, {"w": (6, 4, 3, 3), **norm(4)})
    assert ran.ops == {"Conv": 1}
    assert ran.edits == (2, 1, 2)
    assert ran.summaries == ["BatchNormalization, Conv -> 1 node"]
    assert_same_function(ran, *SIZES)


@pytest.mark.parametrize(("spatial", "shape"), [("L", (3,)), ("D,H,W", (3, 1, 2))])
def test_1_one_and_three_dimensions(runtime: Runtime, spatial: str, shape: tuple[int, ...]) -> None:
    output = ",".join(f"P{place}" for place in range(len(shape)))
    text = f"""g (float[N,4,{spatial}] x) => (float[N,6,{output}] y) {{
        c = Conv(x, w)
        y = BatchNormalization(c, s, b, m, v)
    }}"""
    ran = fold(runtime, text, {"w": (6, 4, *shape), **norm(6)})
    assert ran.ops == {"Conv": 1}
    assert ran.summaries == ["Conv, BatchNormalization -> 1 node"]
    assert_same_function(ran, {"x": (2, 4, *(5,) * len(shape))})


@pytest.mark.parametrize("attributes", ["", "alpha=0.5, beta=2.0", "transB=1, alpha=-1.5", "beta=0.0"])
def test_1_gemm(runtime: Runtime, attributes: str) -> None:
    text = f"""g (float[N,4] x) => (float[N,6] y) {{
        c = Gemm<{attributes}>(x, w, k)
        y = BatchNormalization(c, s, b, m, v)
    }}""".replace("<>", "")
    ran = fold(runtime, text, {"w": (6, 4) if "transB" in attributes else (4, 6), "k": (6,), **norm(6)})
    assert ran.ops == {"Gemm": 1}
    assert ran.edits == (2, 1, 2)
    assert ran.summaries == ["Gemm, BatchNormalization -> 1 node"]
    assert ran.node("y").attrs == {"transB": 1}
    assert_same_function(ran, {"x": (3, 4)})


def test_1_matmul_with_its_bias(runtime: Runtime) -> None:
    text = """g (float[N,4] x) => (float[N,6] y) {
        c = MatMul(x, w)
        d = Add(c, k)
        y = BatchNormalization(d, s, b, m, v)
    }"""
    ran = fold(runtime, text, {"w": (4, 6), "k": (6,), **norm(6)})
    assert ran.ops == {"Gemm": 1}
    assert ran.edits == (3, 1, 2)
    assert ran.summaries == ["MatMul, Add, BatchNormalization -> 1 node"]
    assert_same_function(ran, {"x": (3, 4)})


def test_1_matmul_of_sequences_scales_its_last_axis(runtime: Runtime) -> None:
    text = """g (float[N,T,4] x) => (float[N,T,6] y) {
        c = MatMul(x, w)
        d = Add(k, c)
        y = Mul(d, s)
    }"""
    ran = fold(runtime, text, {"w": (4, 6), "k": (6,), "s": (6,)})
    assert ran.ops == {"MatMul": 1, "Add": 1}
    assert ran.edits == (3, 2, 2)
    assert ran.summaries == ["MatMul, Add, Mul -> 2 nodes"]
    assert_same_function(ran, {"x": (2, 5, 4)}, {"x": (1, 6, 4)})


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "double"])
def test_1_every_float_type_rounded_once(runtime: Runtime, dtype: str) -> None:
    ran = fold(runtime, NORMALISED, CONV, dtype=dtype)
    assert ran.ops == {"Conv": 1}
    assert ran.edits == (2, 1, 2)
    assert str(ran.node("y").inputs[1].dtype) == {"double": "float64"}.get(dtype, dtype)
    assert_same_function(ran, *SIZES)


# 2. constant Pad into the convolution's own padding

PADS = np.array([0, 0, 2, 1, 0, 0, 0, 3])


@pytest.mark.parametrize(
    ("opset", "pad", "operands"),
    [
        (1, "Pad<paddings=[0,0,2,1,0,0,0,3]>(x)", {}),
        (2, "Pad<pads=[0,0,2,1,0,0,0,3]>(x)", {}),
        (11, "Pad(x, q)", {"q": PADS}),
        (13, "Pad(x, q, zero)", {"q": PADS, "zero": np.array(0.0)}),
        (18, "Pad(x, q, , axes)", {"q": np.array([1, 2, 3, 0]), "axes": np.array([3, -2])}),
        (21, "Pad(x, q)", {"q": PADS}),
    ],
)
def test_2_pad_of_each_form(runtime: Runtime, opset: int, pad: str, operands: dict[str, Weight]) -> None:
    text = f"""g (float[N,4,H,W] x) => (float[N,6,P,Q] y) {{
        p = {pad}
        y = Conv<pads=[0,1,1,0]>(p, w)
    }}"""
    ran = fold(runtime, text, {"w": (6, 4, 3, 3), **operands}, opset=opset)
    assert ran.ops == {"Conv": 1}
    assert ran.edits == (2, 1, 1)
    assert ran.summaries == ["Pad, Conv -> 1 node"]
    assert ran.node("y").attrs["pads"] == [2, 2, 1, 3]
    if opset > 1:
        assert_same_function(ran, *SIZES)


PADDED = "g (float[1,4,8,8] x) => (float[1,6,P,Q] y) { p = %s y = Conv(p, w) }"


@pytest.mark.parametrize(
    ("pad", "operands", "reason"),
    [
        ('Pad<mode="reflect">(x, q)', {}, "Pad has mode reflect"),
        ('Pad<mode="edge">(x, q)', {}, "Pad has mode edge"),
        ("Pad(x, q, one)", {"one": np.array(1.0)}, "the border that it pads with is not the bias of its input (at y)"),
        ("Pad(x, q)", {"q": np.array([0, 2, 1, 1, 0, 0, 1, 1])}, "Pad pads the batch or the channels"),
        ("Pad(x, q)", {"q": np.array([0, 0, -9, 0, 0, 0, 0, 0])}, "Pad crops its input to nothing"),
        (
            "Pad(x, q)",
            {"q": np.array([0, 0, -1, -1, 0, 0, 1, 1])},
            "one kernel would take 384 multiply-adds a position instead of 216 (at y)",
        ),
    ],
)
def test_4_pads_that_no_convolution_has(
    runtime: Runtime, pad: str, operands: dict[str, Weight], reason: str
) -> None:
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


# 3. ConvTranspose with groups: scaled by absolute output channel


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("groups", "inputs", "outputs"), [(1, 4, 6), (1, 6, 4), (2, 4, 6), (2, 6, 4), (4, 4, 8), (6, 6, 6)]
)
def test_3_transposed_convolution(runtime: Runtime, groups: int, inputs: int, outputs: int, bias: bool) -> None:
    text = f"""g (float[N,{inputs},H,W] x) => (float[N,{outputs},P,Q] y) {{
        c = ConvTranspose<group={groups}, strides=[2,2], pads=[1,0,0,1], output_padding=[1,0]>(x, w{", k" if bias else ""})
        y = BatchNormalization(c, s, b, m, v)
    }}"""
    weights: dict[str, Weight] = {"w": (inputs, outputs // groups, 3, 3), **norm(outputs)}
    ran = fold(runtime, text, {**weights, **({"k": (outputs,)} if bias else {})})
    assert ran.ops == {"ConvTranspose": 1}
    assert ran.edits == (2, 1, 2)
    assert ran.summaries == ["ConvTranspose, BatchNormalization -> 1 node"]
    assert ran.node("y").attrs["group"] == groups
    assert_same_function(ran, {"x": (2, inputs, 4, 5)}, {"x": (1, inputs, 3, 3)})


TRANSPOSED = "g (float[1,4,5,5] x) => (float[1,6,7,7] y%s) { c = ConvTranspose(x, w) %s }"


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
        fold(runtime, text, norm(6)), y="its input c is made by ConvTranspose, whose weights are not constant (w)"
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
def test_4_parameters_that_make_no_sense(
    runtime: Runtime, constants: dict[str, Weight], reason: str
) -> None:
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
def test_4_constants_that_vary_along_space(
    runtime: Runtime, op: str, shape: tuple[int, ...], reason: str
) -> None:
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


def test_a_second_run_changes_nothing_and_says_so(runtime: Runtime) -> None:
    first = fold(runtime, NORMALISED, CONV)
    second = run(first.after, runtime, "fold-batchnorm")
    assert_untouched(second)
    assert second.refusals == {}
    assert second.result.before == second.result.after

"""Cases 1 to 3 of fold-batchnorm: what it folds (case 4, what it leaves alone, is beside this)."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from graphmorph.graph import constant_array
from graphmorph.runtime import Runtime
from tests.passes.text_models import (
    Ran,
    Weight,
    Weights,
    assert_refused,
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


def fold(runtime: Runtime, text: str, weights: Weights, **options: Any) -> Ran:
    freeze = options.pop("freeze", False)
    return run(build(text, weights, **options), runtime, "fold-batchnorm", freeze=freeze)


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
def test_1_batch_normalisation_that_says_that_it_is_inference(runtime: Runtime, opset: int, attributes: str) -> None:
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
def test_1_constants_on_either_side(runtime: Runtime, formula: str, shape: tuple[int, ...], bias: bool) -> None:
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
        runtime,
        "g (float[N,4,H,W] x) => (float[N,6,P,Q] y) { c = Conv(x, w) y = Div(k, c) }",
        {"w": (6, 4, 1, 1), "k": ()},
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


def test_1_a_convolution_without_parameters_of_its_own_type(runtime: Runtime) -> None:
    """From version 15 a BatchNormalization may have wider parameters than its data: the convolution may not."""
    model = build(NORMALISED, CONV, dtype="float16")
    for tensor in model.graph.initializer[1:]:
        wide = onnx.numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(wide, tensor.name))
    ran = run(model, runtime, "fold-batchnorm")
    assert ran.ops == {"Conv": 1}
    assert [str(t.dtype) for t in ran.node("y").inputs[1:]] == ["float16", "float16"]
    assert_same_function(ran, *SIZES)


@pytest.mark.parametrize(("axis", "folded"), [("broadcast=1, axis=1", True), ("broadcast=1", False)])
def test_1_broadcasting_by_attribute_before_opset_7(runtime: Runtime, axis: str, folded: bool) -> None:
    """Without an axis the constant is aligned with the last one, even where its size is that of the channels."""
    text = f"g (float[N,4,6,6] x) => (float[N,6,6,6] y) {{ c = Conv<pads=[1,1,1,1]>(x, w) y = Mul<{axis}>(c, k) }}"
    ran = fold(runtime, text, {"w": (6, 4, 3, 3), "k": (6,)}, opset=6)
    if folded:
        assert ran.ops == {"Conv": 1}
        assert ran.summaries == ["Conv, Mul -> 1 node"]
    else:
        reason = "a constant, or a kernel, runs along another axis than the channels of the rest"
        assert_refused(ran, y=reason)


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


# 3. ConvTranspose with groups: scaled by absolute output channel


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("groups", "inputs", "outputs"), [(1, 4, 6), (1, 6, 4), (2, 4, 6), (2, 6, 4), (4, 4, 8), (6, 6, 6)]
)
def test_3_transposed_convolution(runtime: Runtime, groups: int, inputs: int, outputs: int, bias: bool) -> None:
    attributes = f"group={groups}, strides=[2,2], pads=[1,0,0,1], output_padding=[1,0]"
    text = f"""g (float[N,{inputs},H,W] x) => (float[N,{outputs},P,Q] y) {{
        c = ConvTranspose<{attributes}>(x, w{", k" if bias else ""})
        y = BatchNormalization(c, s, b, m, v)
    }}"""
    weights: dict[str, Weight] = {"w": (inputs, outputs // groups, 3, 3), **norm(outputs)}
    ran = fold(runtime, text, {**weights, **({"k": (outputs,)} if bias else {})})
    assert ran.ops == {"ConvTranspose": 1}
    assert ran.edits == (2, 1, 2)
    assert ran.summaries == ["ConvTranspose, BatchNormalization -> 1 node"]
    assert ran.node("y").attrs["group"] == groups
    assert_same_function(ran, {"x": (2, inputs, 4, 5)}, {"x": (1, inputs, 3, 3)})


def test_a_second_run_changes_nothing_and_says_so(runtime: Runtime) -> None:
    first = fold(runtime, NORMALISED, CONV)
    second = run(first.after, runtime, "fold-batchnorm")
    assert_untouched(second)
    assert second.refusals == {}
    assert second.result.before == second.result.after

"""How tools of this field have been silently wrong in the arithmetic: channels, borders, strides, constants.
The public threads are named; graphmorph does it right, or leaves the place alone and says why.
"""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.runtime import Runtime
from tests.passes.text_models import (
    BORDER,
    CONV,
    ONE,
    Weight,
    X,
    assert_refused,
    assert_same_function,
    build,
    norm,
    run,
)

# b5: ultralytics/ultralytics PR#25364, pytorch/pytorch#180995, onnxscript#2867


@pytest.mark.parametrize(("groups", "inputs", "outputs"), [(1, 4, 6), (2, 4, 6), (4, 4, 8), (1, 6, 4)])
def test_b5_transposed_convolutions_scale_by_absolute_output_channel(
    runtime: Runtime, groups: int, inputs: int, outputs: int
) -> None:
    text = f"""g (float[N,{inputs},H,W] x) => (float[N,{outputs},P,Q] y) {{
        c = ConvTranspose<group={groups}, strides=[2,2]>(x, w, k)
        y = BatchNormalization(c, s, b, m, v)
    }}"""
    weights = {"w": (inputs, outputs // groups, 3, 2), "k": (outputs,), **norm(outputs)}
    ran = run(build(text, weights), runtime)
    assert ran.ops == {"ConvTranspose": 1}
    assert ran.edits == (2, 1, 2)
    assert_same_function(ran, {"x": (2, inputs, 3, 4)})


# b6: DingXiaoH/DiverseBranchBlock#9


@pytest.mark.parametrize(
    ("inner", "pads", "fused"), [("a, o", 1, False), ("a, o", 0, True), ("a", 1, True), ("a, zero", 1, True)]
)
def test_b6_series_whose_padding_comes_after_the_inner_bias(
    runtime: Runtime, inner: str, pads: int, fused: bool
) -> None:
    text = f"""g (float[N,4,8,8] x) => (float[N,5,P,Q] y) {{
        c = Conv(x, {inner})
        y = Conv<pads=[{pads},{pads},{pads},{pads}]>(c, k)
    }}"""
    weights: dict[str, Weight] = {"a": (6, 4, 1, 1), "o": (6,), "zero": np.zeros(6), "k": (5, 6, 3, 3)}
    used = {name: weight for name, weight in weights.items() if name in (*inner.split(", "), "k")}
    ran = run(build(text, used), runtime)
    if fused:
        assert ran.summaries == ["2 Conv -> 1 node"]
        assert_same_function(ran, X)
    else:
        assert_refused(ran, y=BORDER)


# b8: onnxscript PR#3037, onnx/optimizer PR#251, #33


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("strides", [1, 2])
def test_b8_auto_pad_becomes_explicit_with_the_dilated_kernel(runtime: Runtime, auto_pad: str, strides: int) -> None:
    text = f"""g (float[1,4,8,9] x) => (float[1,6,P,Q] y) {{
        c = Conv<auto_pad="{auto_pad}", dilations=[2,2], strides=[{strides},{strides}]>(x, w)
        y = BatchNormalization(c, s, b, m, v)
    }}"""
    ran = run(build(text, {**CONV, "w": (6, 4, 3, 2)}), runtime)
    assert ran.ops == {"Conv": 1}
    assert "auto_pad" not in ran.node("y").attrs
    assert_same_function(ran, {"x": (1, 4, 8, 9)})


def test_b8_auto_pad_that_depends_on_an_unknown_size(runtime: Runtime) -> None:
    text = """g (float[N,4,H,W] x) => (float[N,6,P,Q] y) {
        c = Conv<auto_pad="SAME_UPPER", strides=[2,2]>(x, w)
        y = BatchNormalization(c, s, b, m, v)
    }"""
    reason = "Conv has auto_pad SAME_UPPER, and the size that its pads depend on is not known (at c)"
    assert_refused(run(build(text, CONV), runtime), y=reason)


# b9: DingXiaoH/ACNet#3, Tencent/ncnn PR#6661, onnxscript#2838


def test_b9_cropped_branches_give_no_negative_pads(runtime: Runtime) -> None:
    text = """g (float[N,4,H,W] x) => (float[N,4,P,Q] y) {
        d = Conv<pads=[0,1,0,1]>(x, w)
        z = Slice(x, one, last, axes)
        p = Conv(z, u)
        y = Add(d, p)
    }"""
    bounds = {"one": np.array([1]), "last": np.array([-1]), "axes": np.array([2])}
    ran = run(build(text, {"w": (4, 4, 3, 3), "u": (4, 4, 1, 1), **bounds}), runtime)
    assert ran.ops == {"Conv": 1}
    assert ran.node("y").attrs["pads"] == [0, 1, 0, 1]
    assert_same_function(ran, X, {"x": (1, 4, 5, 3)})


def test_b9_branches_of_unequal_pads(runtime: Runtime) -> None:
    """Aligned side by side: the kernel of one pad more on the left becomes wider there."""
    text = """g (float[N,4,H,W] x) => (float[N,4,H,W] y) {
        d = Conv<pads=[1,1,1,1]>(x, w)
        p = Conv<pads=[0,0,1,1]>(x, u)
        y = Add(d, p)
    }"""
    ran = run(build(text, {"w": (4, 4, 3, 3), "u": (4, 4, 2, 2)}), runtime)
    assert ran.ops == {"Conv": 1}
    assert ran.node("y").attrs["pads"] == [1, 1, 1, 1]
    assert_same_function(ran, X, {"x": (1, 4, 5, 3)})


@pytest.mark.parametrize(
    ("branch", "weights", "reason"),
    [
        (
            "Conv<pads=[-1,0,0,0]>(x, u)",
            (4, 4, 1, 1),
            "Conv has pads [-1, 0, 0, 0]; 4 that are not negative are needed (at p)",
        ),
        ("Conv<pads=[0,1,0,1]>(x, u)", (4, 4, 8, 3), "the summands have sizes 8 and 1"),
    ],
)
def test_b9_branches_that_do_not_align(runtime: Runtime, branch: str, weights: tuple[int, ...], reason: str) -> None:
    text = f"""g (float[1,4,8,8] x) => (float[1,4,P,Q] y) {{
        d = Conv<pads=[1,1,1,1]>(x, w)
        p = {branch}
        y = Add(d, p)
    }}"""
    assert_refused(run(build(text, {"w": (4, 4, 3, 3), "u": weights}), runtime), y=reason)


def test_b9_branches_of_unequal_strides(runtime: Runtime) -> None:
    text = """g (float[1,4,5,5] x) => (float[1,4,3,3] y) {
        d = Conv<pads=[1,1,1,1], strides=[2,2]>(x, w)
        p = Conv(x, u)
        y = Add(d, p)
    }"""
    ran = run(build(text, {"w": (4, 4, 3, 3), "u": (4, 4, 3, 3)}), runtime)
    assert_refused(ran, y="branches of x have strides (2, 2) and (1, 1)")


def test_b9_dilated_beside_dense(runtime: Runtime) -> None:
    text = """g (float[N,4,H,W] x) => (float[N,4,H,W] y) {
        d = Conv<pads=[2,2,2,2]>(x, w)
        p = Conv<pads=[2,2,2,2], dilations=[2,2]>(x, u)
        y = Add(d, p)
    }"""
    ran = run(build(text, {"w": (4, 4, 5, 5), "u": (4, 4, 3, 3)}), runtime)
    assert ran.ops == {"Conv": 1}
    assert_same_function(ran, X, {"x": (1, 4, 5, 3)})


# b10: onnxruntime#12498, PR#27879, tf2onnx PR#2152


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("op", ["Mul", "Add"])
@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((1, 6, 8, 8), "constant k of shape (1, 6, 8, 8) is not per channel"),
        ((1, 1, 8, 1), "constant k of shape (1, 1, 8, 1) varies along axis 2, not channels"),
        ((8,), "a constant, or a kernel, runs along another axis than the channels of the rest"),
    ],
)
def test_b10_constants_that_are_not_per_channel(
    runtime: Runtime, op: str, shape: tuple[int, ...], reason: str, groups: int
) -> None:
    text = f"{ONE} {{ c = Conv<pads=[1,1,1,1], group={groups}>(x, w) y = {op}(c, k) }}"
    assert_refused(run(build(text, {"w": (6, 4 // groups, 3, 3), "k": shape}), runtime), y=reason)


# b12: OnnxSlim PR#21, PR#53, PR#212, onnx/optimizer#269


@pytest.mark.parametrize(
    ("pad", "rest", "reason"),
    [
        ('Pad<mode="reflect">(x, q)', "", "Pad has mode reflect"),
        ("Pad(x, q, one)", "", "the border that it pads with is not the bias of its input (at y)"),
        ("Pad(x, q)", "z = Relu(p)", "p is also read elsewhere (by Conv, Relu)"),
    ],
)
def test_b12_pads_that_are_not_the_convolutions_alone(runtime: Runtime, pad: str, rest: str, reason: str) -> None:
    outputs = ", float[N,4,10,10] z" if rest else ""
    text = f"g (float[N,4,8,8] x) => (float[N,6,8,8] y{outputs}) {{ p = {pad} y = Conv(p, w) {rest} }}"
    weights: dict[str, Weight] = {"w": (6, 4, 3, 3), "q": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
    if "one" in pad:
        weights["one"] = np.array(1.0)
        text = text.replace("[N,", "[1,")
    assert_refused(run(build(text, weights), runtime), p=reason)


# b13: onnxscript PR#3027


@pytest.mark.parametrize("seed", range(24))
def test_b13_gemm_of_random_attributes(runtime: Runtime, seed: int) -> None:
    rng = np.random.default_rng(seed)
    alpha, beta = rng.choice([1.0, 0.5, -2.0, 0.0], 2)
    transposed = int(rng.integers(2))
    bias = [None, (6,), (1, 6), (), (1,)][seed % 5]
    follower = ["BatchNormalization(c, s, b, m, v)", "Mul(c, s)", "Sub(s, c)", "Add(c, s)"][seed % 4]
    text = f"""g (float[N,4] x) => (float[N,6] y) {{
        c = Gemm<alpha={alpha:.1f}, beta={beta:.1f}, transB={transposed}>(x, w{", k" if bias is not None else ""})
        y = {follower}
    }}"""
    weights: dict[str, Weight] = {"w": (6, 4) if transposed else (4, 6), **norm(6)}
    ran = run(build(text, {**weights, **({"k": bias} if bias is not None else {})}), runtime)
    assert ran.ops == {"Gemm": 1}
    assert ran.node("y").attrs == {"transB": 1}
    assert_same_function(ran, {"x": (3, 4)})


# b16: DingXiaoH/ACNet#43, #39, #4


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("bias", ["none", "first", "second", "both"])
def test_b16_bias_groups_and_identity(runtime: Runtime, groups: int, bias: str) -> None:
    text = f"""g (float[N,4,H,W] x) => (float[N,4,H,W] y) {{
        d = Conv<pads=[1,1,1,1], group={groups}>(x, w{", o" if bias in ("first", "both") else ""})
        dn = BatchNormalization(d, s, b, m, v)
        p = Conv<group={groups}>(x, u{", q" if bias in ("second", "both") else ""})
        pn = BatchNormalization(p, s, b, v, v)
        i = BatchNormalization(x, s, m, b, v)
        e = Add(pn, i)
        y = Add(e, dn)
    }}"""
    weights: dict[str, Weight] = {"w": (4, 4 // groups, 3, 3), "u": (4, 4 // groups, 1, 1), **norm(4)}
    weights |= {"o": (4,)} if bias in ("first", "both") else {}
    weights |= {"q": (4,)} if bias in ("second", "both") else {}
    ran = run(build(text, weights), runtime)
    assert ran.ops == {"Conv": 1}
    assert ran.edits == (7, 1, 2)
    assert ran.node("y").attrs["group"] == groups
    assert_same_function(ran, X, {"x": (1, 4, 5, 3)})

"""How tools of this field have been silently wrong, one test for each way (the public threads are named): what
graphmorph does instead, and what its report says.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import graphmorph
from graphmorph.affine.operators import supported
from graphmorph.graph import constant_array
from graphmorph.onnx_door import load, to_model
from graphmorph.pipeline import FUSE_PIPELINE, passes_for
from graphmorph.registry import load as load_pass
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
ONE = "g (float[N,4,8,8] x) => (float[N,6,8,8] y)"
TWO = "g (float[N,4,8,8] x) => (float[N,6,8,8] y, float[N,6,8,8] z)"
NORMALISED = "c = Conv<pads=[1,1,1,1]>(x, w) y = BatchNormalization(c, s, b, m, v)"
X = {"x": (2, 4, 8, 8)}
BORDER = "it pads an input whose bias is not the padding value, so its border differs from the folded kernel's"


def assert_refused(ran: Ran, **reasons: str) -> None:
    assert_untouched(ran)
    assert ran.refusals == reasons


def initializers(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    return {tensor.name: tensor for tensor in model.graph.initializer}


# b1: pytorch/pytorch#197539, #104593, Tencent/TNN#808


def test_b1_shared_weights_are_copied_not_edited(runtime: Runtime) -> None:
    text = f"{TWO} {{ {NORMALISED} d = Conv<pads=[1,1,1,1]>(x, w) z = Relu(d) }}"
    ran = run(build(text, CONV), runtime)
    assert ran.edits == (2, 1, 2)
    assert ran.summaries == ["Conv, BatchNormalization -> 1 node"]
    assert ran.node("y").inputs[1].name == "w_fused"
    assert initializers(ran.after)["w"] == initializers(ran.before)["w"]
    assert ran.after.graph.node[1:] == ran.before.graph.node[2:]
    assert_same_function(ran, X)


def test_b1_weights_and_statistics_shared_by_two_folds(runtime: Runtime) -> None:
    text = f"""{TWO} {{ {NORMALISED}
        r = Sigmoid(x)
        d = Conv<pads=[1,1,1,1]>(r, w)
        z = BatchNormalization(d, s, s, m, v)
    }}"""
    ran = run(build(text, CONV), runtime)
    assert ran.edits == (4, 2, 4)
    assert ran.summaries == ["Conv, BatchNormalization -> 1 node"] * 2
    assert {ran.node("y").inputs[1].name, ran.node("z").inputs[1].name} == {"w_fused", "w_fused_2"}
    assert_same_function(ran, X)


def test_b1_a_transposed_convolution_copies_too(runtime: Runtime) -> None:
    text = """g (float[N,4,H,W] x) => (float[N,6,P,Q] y, float[N,6,P,Q] z) {
        c = ConvTranspose(x, w)
        y = BatchNormalization(c, s, b, m, v)
        d = ConvTranspose(x, w)
        z = Relu(d)
    }"""
    ran = run(build(text, {"w": (4, 6, 3, 3), **norm(6)}), runtime)
    assert ran.edits == (2, 1, 2)
    assert initializers(ran.after)["w"] == initializers(ran.before)["w"]
    assert_same_function(ran, X)


# b2: pytorch/pytorch PR#52758, onnxruntime#4110, PR#20282, OnnxSlim PR#109, #163


def test_b2_an_output_that_others_read_too(runtime: Runtime) -> None:
    ran = run(build(f"{TWO} {{ {NORMALISED} z = Relu(c) }}", CONV), runtime)
    assert_refused(ran, y="its input: c is also read elsewhere (by BatchNormalization, Relu)")


def test_b2_an_output_of_the_graph(runtime: Runtime) -> None:
    text = f"g (float[N,4,8,8] x) => (float[N,6,8,8] y, float[N,6,8,8] c) {{ {NORMALISED} }}"
    assert_refused(run(build(text, CONV), runtime), y="its input: c is a graph output")


def test_b2_two_normalisations_of_one_convolution(runtime: Runtime) -> None:
    text = f"{TWO} {{ {NORMALISED} z = BatchNormalization(c, s, s, m, v) }}"
    reason = "its input: c is also read elsewhere (by BatchNormalization, BatchNormalization)"
    assert_refused(run(build(text, CONV), runtime), y=reason, z=reason)


# b3: onnxscript PR#2680, onnx/onnx#2613, onnx/optimizer#174


def test_b3_names_that_are_taken_already(runtime: Runtime) -> None:
    """In the graph, and inside a subgraph, where a new outer name would be captured."""
    text = f"""{TWO} {{ {NORMALISED}
        w_fused = Relu(y)
        z = If(f) <
            then_branch = t () => (float[N,6,8,8] w_fused_bias) {{ w_fused_bias = Neg(w_fused) }},
            else_branch = e () => (float[N,6,8,8] w_fused_2) {{ w_fused_2 = Abs(w_fused) }}
        >
    }}"""
    ran = run(build(text, {**CONV, "f": np.array(True)}), runtime)
    assert ran.edits == (2, 1, 2)
    assert [t.name for t in ran.node("y").inputs] == ["x", "w_fused_3", "w_fused_bias_2"]
    onnx.checker.check_model(ran.after, full_check=True)
    assert_same_function(ran, X)


# b4: onnx/optimizer#178, #133


@pytest.mark.parametrize("form", ["initializers", "Constant nodes"])
def test_b4_nothing_redundant_is_left_in_either_form(runtime: Runtime, form: str) -> None:
    model = build(f"{ONE} {{ {NORMALISED} }}", CONV)
    if form == "Constant nodes":
        nodes = [onnx.helper.make_node("Constant", [], [t.name], value=t) for t in model.graph.initializer]
        nodes += list(model.graph.node)
        del model.graph.initializer[:], model.graph.node[:]
        model.graph.node.extend(nodes)
    ran = run(model, runtime)
    assert ran.ops == {"Conv": 1}
    assert ran.refusals == {}
    assert set(initializers(ran.after)) == {"w_fused", "w_fused_bias"}
    assert_same_function(ran, X)


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


# b7: DingXiaoH/RepVGG#9, #19, #35, onnxruntime#26584, pytorch/pytorch#75252, onnxscript#1791


@pytest.mark.parametrize(
    ("opset", "outputs", "attributes", "reason"),
    [
        (6, "", "", "BatchNormalization is in training mode (is_test is 0)"),
        (9, ", o1, o2, o3, o4", "", "BatchNormalization is in training mode (it puts out batch statistics)"),
        (14, "", "<training_mode=1>", "BatchNormalization is in training mode (training_mode is 1)"),
        (15, ", o1, o2", "<training_mode=1>", "BatchNormalization is in training mode (training_mode is 1)"),
    ],
)
def test_b7_training_mode_stays(
    runtime: Runtime, opset: int, outputs: str, attributes: str, reason: str
) -> None:
    text = NORMALISED.replace("y = BatchNormalization", f"y{outputs} = BatchNormalization{attributes}")
    assert_refused(run(build(f"{ONE} {{ {text} }}", CONV, opset=opset), runtime), y=reason)


def test_b7_running_statistics_that_are_missing(runtime: Runtime) -> None:
    weights = {name: weight for name, weight in CONV.items() if name != "m"}
    text = f"g (float[N,4,8,8] x, float[6] m) => (float[N,6,8,8] y) {{ {NORMALISED} }}"
    assert_refused(
        run(build(text, weights), runtime), y="the parameters of BatchNormalization are not constant (m)"
    )


# b8: onnxscript PR#3037, onnx/optimizer PR#251, #33


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("strides", [1, 2])
def test_b8_auto_pad_becomes_explicit_with_the_dilated_kernel(
    runtime: Runtime, auto_pad: str, strides: int
) -> None:
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
        ("Conv<pads=[-1,0,0,0]>(x, u)", (4, 4, 1, 1), "Conv has pads [-1, 0, 0, 0]; 4 that are not negative are needed (at p)"),
        ("Conv<pads=[0,1,0,1]>(x, u)", (4, 4, 8, 3), "the summands have sizes 8 and 1"),
    ],
)
def test_b9_branches_that_do_not_align(
    runtime: Runtime, branch: str, weights: tuple[int, ...], reason: str
) -> None:
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


# b11: onnxruntime#8825, robertknight/rten#1359, onnx/sklearn-onnx#854


def test_b11_captured_by_a_branch_of_if(runtime: Runtime) -> None:
    text = f"""{TWO} {{ {NORMALISED}
        z = If(f) <
            then_branch = t () => (float[N,6,8,8] o) {{ o = Relu(c) }},
            else_branch = e () => (float[N,6,8,8] p) {{ p = Neg(x2) }}
        >
        x2 = Relu(x)
    }}""".replace("x2 = Relu(x)\n", "").replace("Neg(x2)", "Neg(c)")
    ran = run(build(text, {**CONV, "f": np.array(True)}), runtime)
    assert_refused(ran, y="its input: c is read inside a subgraph")


def test_b11_captured_by_the_body_of_loop(runtime: Runtime) -> None:
    text = f"""{TWO} {{ {NORMALISED}
        z = Loop(n, f, y) <
            body = t (int64 i, bool go, float[N,6,8,8] h) => (bool on, float[N,6,8,8] o) {{
                on = Identity(go)
                o = Add(h, c)
            }}
        >
    }}"""
    ran = run(build(text, {**CONV, "f": np.array(True), "n": np.array(2)}), runtime)
    assert_refused(ran, y="its input: c is read inside a subgraph")


def test_b11_bodies_themselves_are_not_rewritten(runtime: Runtime) -> None:
    text = f"""{ONE} {{
        y = If(f) <
            then_branch = t () => (float[N,6,8,8] o) {{
                c = Conv<pads=[1,1,1,1]>(x, w)
                o = BatchNormalization(c, s, b, m, v)
            }},
            else_branch = e () => (float[N,6,8,8] p) {{ p = Conv<pads=[1,1,1,1]>(x, w) }}
        >
    }}"""
    ran = run(build(text, {**CONV, "f": np.array(True)}), runtime)
    assert_refused(ran, o="it is in a body of If; bodies are not rewritten")


def test_b11_an_output_that_is_captured_may_be_produced_anew(runtime: Runtime) -> None:
    """The fold keeps the name and the tensor of what the body reads."""
    text = f"""{TWO} {{ {NORMALISED}
        z = If(f) <
            then_branch = t () => (float[N,6,8,8] o) {{ o = Relu(y) }},
            else_branch = e () => (float[N,6,8,8] p) {{ p = Neg(y) }}
        >
    }}"""
    ran = run(build(text, {**CONV, "f": np.array(True)}), runtime)
    assert ran.ops == {"Conv": 1, "If": 1}
    onnx.checker.check_model(ran.after, full_check=True)
    assert_same_function(ran, X)


# b12: OnnxSlim PR#21, PR#53, PR#212, onnx/optimizer#269


@pytest.mark.parametrize(
    ("pad", "rest", "reason"),
    [
        ('Pad<mode="reflect">(x, q)', "", "Pad has mode reflect"),
        ("Pad(x, q, one)", "", "the border that it pads with is not the bias of its input (at y)"),
        ("Pad(x, q)", "z = Relu(p)", "p is also read elsewhere (by Conv, Relu)"),
    ],
)
def test_b12_pads_that_are_not_the_convolutions_alone(
    runtime: Runtime, pad: str, rest: str, reason: str
) -> None:
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


# b14: onnxruntime PR#32143, onnxsim PR#545

OVERRIDABLE = "g (float[N,4,8,8] x, float%s %s) => (float[N,6,8,8] y) { %s }"


@pytest.mark.parametrize(
    ("name", "shape", "what"),
    [
        ("w", "[6,4,3,3]", "the weights of Conv are not constant ({}) (at c)"),
        ("s", "[6]", "the parameters of BatchNormalization are not constant ({})"),
    ],
)
def test_b14_overridable_initializers_are_no_constants(
    runtime: Runtime, name: str, shape: str, what: str
) -> None:
    model = build(OVERRIDABLE % (shape, name, NORMALISED), CONV)
    why = f"{name} is an initializer that callers may override; --freeze-initializers makes it constant"
    assert_refused(run(model, runtime), y=what.format(why))
    frozen = run(model, runtime, freeze=True)
    assert frozen.ops == {"Conv": 1}
    assert [value.name for value in frozen.after.graph.input] == ["x"]
    as_constants = to_model(load(model, freeze_initializers=True))
    assert_same_function(replace(frozen, before=as_constants), X)


@pytest.mark.parametrize(
    ("formula", "reason"),
    [("Mul(c, k)", "Mul of two variable tensors is not affine ({})"), ("Add(k, c)", "Add has no constant operand ({})")],
)
def test_b14_overridable_scales_and_offsets(runtime: Runtime, formula: str, reason: str) -> None:
    text = OVERRIDABLE % ("[6,1,1]", "k", f"c = Conv<pads=[1,1,1,1]>(x, w) y = {formula}")
    why = "k is an initializer that callers may override; --freeze-initializers makes it constant"
    model = build(text, {"w": (6, 4, 3, 3), "k": (6, 1, 1)})
    assert_refused(run(model, runtime), y=reason.format(why))
    assert run(model, runtime, freeze=True).ops == {"Conv": 1}


def test_b14_initializers_of_ir_version_3_must_be_inputs_and_are_constants(runtime: Runtime) -> None:
    inputs = "float[6] s, float[6] b, float[6] m, float[6] v, float[6,4,3,3] w"
    text = f"g (float[N,4,8,8] x, {inputs}) => (float[N,6,8,8] y) {{ {NORMALISED} }}"
    ran = run(build(text, CONV, ir=3, opset=8), runtime)
    assert ran.ops == {"Conv": 1}
    assert [value.name for value in ran.after.graph.input] == ["x", "w_fused", "w_fused_bias"]
    onnx.checker.check_model(ran.after)


# b15: onnx/optimizer#136, onnxsim#320, onnx/onnx PR#1310

FUNCTION = """
<domain: "%s", opset_import: ["" : 17]>
Conv (a, k) => (o) { o = Relu(a) }"""


def with_function(domain: str, call: str) -> onnx.ModelProto:
    """A model-local function that is called Conv and is none."""
    text = "g (float[N,6,8,8] x) => (float[N,6,8,8] y) { c = %s(x, w) y = BatchNormalization(c, s, b, m, v) }"
    model = build(f"{text % call}{FUNCTION % domain}", CONV, ir=10, domains=[domain] if domain else [])
    model.metadata_props.add(key="author", value="somebody")
    return model


def test_b15_functions_domains_and_metadata_survive(runtime: Runtime) -> None:
    text = "g (float[N,4,8,8] x) => (float[N,6,8,8] y) { %s }"
    body = "c = Conv<pads=[1,1,1,1]>(x, w) d = BatchNormalization(c, s, b, m, v) y = local.Conv(d, s)"
    model = build(f"{text % body}{FUNCTION % 'local'}", CONV, ir=10, domains=["local", "unused"])
    model.metadata_props.add(key="author", value="somebody")
    ran = run(model, runtime)
    assert ran.ops == {"Conv": 2}
    assert ran.edits == (2, 1, 2)
    for part in ("functions", "metadata_props", "opset_import", "ir_version", "domain"):
        assert getattr(ran.after, part) == getattr(ran.before, part)
    assert ran.after.graph.node[-1] == ran.before.graph.node[-1]
    assert_same_function(ran, X)


@pytest.mark.parametrize(
    ("domain", "call", "origin"), [("local", "local.Conv", "domain local"), ("", "Conv", "a function of the model overrides it")]
)
def test_b15_a_function_that_is_named_like_an_operator(
    runtime: Runtime, domain: str, call: str, origin: str
) -> None:
    ran = run(with_function(domain, call), runtime)
    assert_untouched(ran)
    assert list(ran.refusals) == ["y"]
    assert f"Conv is not ONNX's own ({origin})" in ran.refusals["y"]


def test_b15_a_custom_operator_that_nobody_knows(runtime: Runtime) -> None:
    text = f"{ONE} {{ c = ex.Conv(x, w) y = BatchNormalization(c, s, b, m, v) }}"
    ran = run(build(text, CONV, domains=["ex"]), runtime)
    assert_refused(ran, y="Conv is not ONNX's own (domain ex) (at c)")
    text = f"{ONE} {{ c = Conv<pads=[1,1,1,1]>(x, w) y = ex.BatchNormalization(c, s, b, m, v) }}"
    ran = run(build(text, CONV, domains=["ex"]), runtime)
    assert_refused(ran, y="BatchNormalization is not ONNX's own (domain ex)")


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


# b17: DingXiaoH/RepVGG#91, #85, meituan/YOLOv6#816


def test_b17_quantised_data_between(runtime: Runtime) -> None:
    text = f"""{ONE} {{
        c = Conv<pads=[1,1,1,1]>(x, w)
        q = QuantizeLinear(c, step, zero)
        d = DequantizeLinear(q, step, zero)
        y = BatchNormalization(d, s, b, m, v)
    }}"""
    ran = run(build(text, {**CONV, "step": np.array(0.05), "zero": np.array(3, np.uint8)}), runtime)
    reason = "its input d is made by DequantizeLinear: quantised data is left alone (fuse first, then quantise)"
    assert_refused(ran, y=reason)


def test_b17_quantised_weights(runtime: Runtime) -> None:
    text = f"""{ONE} {{
        d = DequantizeLinear(w, step, zero)
        c = Conv<pads=[1,1,1,1]>(x, d)
        y = BatchNormalization(c, s, b, m, v)
    }}"""
    quantised = {"w": np.ones((6, 4, 3, 3), np.int8), "step": np.array(0.05), "zero": np.array(3, np.int8)}
    ran = run(build(text, {**CONV, **quantised}), runtime)
    assert_refused(ran, y="the weights of Conv are not constant (d) (at c)")


# b18: onnxruntime PR#11960, ENOT-AutoDL/onnx2torch#192, OnnxSlim PR#148


@pytest.mark.parametrize("opset", [7, 9, 14, 15, 22])
def test_b18_every_version_that_is_known(runtime: Runtime, opset: int) -> None:
    ran = run(build(f"{ONE} {{ {NORMALISED} }}", CONV, opset=opset), runtime)
    assert ran.ops == {"Conv": 1}
    assert ran.after.opset_import == ran.before.opset_import
    assert_same_function(ran, X)


def test_b18_the_table_covers_what_the_installed_onnx_defines() -> None:
    """A new version of an operator must be read and entered before it is rewritten."""
    for op, versions in supported().items():
        defined = {
            schema.since_version
            for schema in onnx.defs.get_all_schemas_with_history()
            if schema.name == op and schema.domain == ""
        }
        assert defined <= set(versions), op


def test_b18_an_unknown_opset_is_a_refusal(runtime: Runtime) -> None:
    model = build(f"{ONE} {{ {NORMALISED} }}", CONV, opset=999)
    ran = run(model, runtime)
    assert_refused(ran, y="BatchNormalization of opset 999 is not known to this version of onnx")


# b19: OnnxSlim#277, onnxruntime#20321, #23133, onnxsim#1284, onnx/onnx#2677


def test_b19_only_exact_passes_run_unasked() -> None:
    assert [one.kind for one in passes_for()] == ["exact"] * len(FUSE_PIPELINE)
    assert all(load_pass(name).kind == "exact" for name in FUSE_PIPELINE)


def test_b19_the_users_own_machine_proves_it(tmp_path: Path) -> None:
    result = graphmorph.fuse(build(f"{ONE} {{ {NORMALISED} }}", CONV), tmp_path / "out.onnx")
    assert result.exit_code == 0
    assert result.report.proof is not None
    assert result.report.proof.verdict == "equal"
    assert result.report.files == [str(tmp_path / "out.onnx")]


# b20: tf2onnx PR#1106, onnxconverter-common#323


def test_b20_half_precision_is_folded_in_double_and_rounded_once(runtime: Runtime) -> None:
    ran = run(build(f"{ONE} {{ {NORMALISED} }}", CONV, dtype="float16"), runtime)
    before = {name: onnx.numpy_helper.to_array(t).astype(np.float64) for name, t in initializers(ran.before).items()}
    scale = before["s"] / np.sqrt(before["v"] + float(np.float32(1e-5)))
    weight, bias = (constant_array(t) for t in ran.node("y").inputs[1:])
    np.testing.assert_array_equal(weight, (before["w"] * scale[:, None, None, None]).astype(np.float16))
    np.testing.assert_array_equal(bias, (before["b"] - before["m"] * scale).astype(np.float16))


@pytest.mark.parametrize("op", ["Conv<pads=[1,1,1,1]>", "ConvTranspose<pads=[1,1,1,1]>"])
def test_b20_weights_that_leave_the_range_of_half_precision(runtime: Runtime, op: str) -> None:
    text = f"{ONE} {{ c = {op}(x, w) y = BatchNormalization(c, s, b, m, v) }}"
    weights = {**CONV, "w": (6, 4, 3, 3) if op[4] == "<" else (4, 6, 3, 3)}
    weights |= {"s": np.full(6, 6e4), "v": np.full(6, 1e-3)}
    ran = run(build(text, weights, dtype="float16"), runtime)
    assert_untouched(ran)
    assert list(ran.refusals) == ["y"]
    assert ran.refusals["y"].startswith("its weights leave the range of float16 (largest magnitude ")


def test_b20_the_other_sites_of_the_model_are_still_folded(runtime: Runtime) -> None:
    text = f"""{TWO} {{ {NORMALISED}
        d = Conv<pads=[1,1,1,1]>(x, w)
        z = BatchNormalization(d, large, b, m, small)
    }}"""
    weights = {**CONV, "large": np.full(6, 6e4), "small": np.full(6, 1e-3)}
    ran = run(build(text, weights, dtype="float16"), runtime)
    assert ran.ops == {"Conv": 2, "BatchNormalization": 1}
    assert ran.edits == (2, 1, 2)
    assert list(ran.refusals) == ["z"]
    assert_same_function(ran, X)

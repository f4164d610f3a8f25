"""How tools of this field have been silently wrong around a site: shared weights, readers, names, bodies, inputs.
The public threads are named; graphmorph does it right, or leaves the place alone and says why.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import graphmorph
from graphmorph.onnx_door import load, to_model
from graphmorph.pipeline import FUSE_PIPELINE, passes_for
from graphmorph.registry import load as load_pass
from graphmorph.runtime import Runtime
from tests.passes.text_models import (
    CONV,
    NORMALISED,
    ONE,
    TWO,
    X,
    assert_refused,
    assert_same_function,
    assert_untouched,
    build,
    initializers,
    norm,
    run,
)

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


# b14: onnxruntime PR#32143, onnxsim PR#545

OVERRIDABLE = "g (float[N,4,8,8] x, float%s %s) => (float[N,6,8,8] y) { %s }"


@pytest.mark.parametrize(
    ("name", "shape", "what"),
    [
        ("w", "[6,4,3,3]", "the weights of Conv are not constant ({}) (at c)"),
        ("s", "[6]", "the parameters of BatchNormalization are not constant ({})"),
    ],
)
def test_b14_overridable_initializers_are_no_constants(runtime: Runtime, name: str, shape: str, what: str) -> None:
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
    [
        ("Mul(c, k)", "Mul of two variable tensors is not affine ({})"),
        ("Add(k, c)", "Add has no constant operand ({})"),
    ],
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
    ("domain", "call", "origin"),
    [("local", "local.Conv", "domain local"), ("", "Conv", "a function of the model overrides it")],
)
def test_b15_a_function_that_is_named_like_an_operator(runtime: Runtime, domain: str, call: str, origin: str) -> None:
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

"""The numbered cases of fold-constants: what it cleans up, and what it must leave alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from graphmorph.graph import constant_array
from graphmorph.runtime import Runtime
from tests.passes.text_models import Ran, Weight, Weights, assert_same_function, assert_untouched, build, run


def clean(runtime: Runtime, text: str, weights: Weights | None = None, **options: Any) -> Ran:
    return run(build(text, weights, **options), runtime, "fold-constants")


# 1. Constant nodes become initializers, and constant expressions their values


def test_1_constant_nodes_in_each_spelling(runtime: Runtime) -> None:
    text = """g (float[N,4] x) => (float[N,4] y) {
        a = Constant<value_float = 2.0>()
        b = Constant<value_floats = [1.0, 2.0, 3.0, 4.0]>()
        c = Constant<value = float[1] {0.5}>()
        d = Mul(x, a)
        e = Add(d, b)
        y = Sub(e, c)
    }"""
    ran = clean(runtime, text)
    assert ran.ops == {"Mul": 1, "Add": 1, "Sub": 1}
    assert ran.edits == (3, 0, 3)
    assert ran.summaries == ["Constant -> a constant"] * 3
    assert {t.name: list(onnx.numpy_helper.to_array(t).reshape(-1)) for t in ran.after.graph.initializer} == {
        "a": [2.0],
        "b": [1.0, 2.0, 3.0, 4.0],
        "c": [0.5],
    }
    assert_same_function(ran, {"x": (3, 4)})


def test_1_constant_expressions(runtime: Runtime) -> None:
    text = """g (float[N,4] x) => (float[N,4] y) {
        a = Constant<value_float = 2.0>()
        b = Mul(a, k)
        c = Sqrt(b)
        y = Mul(x, c)
    }"""
    ran = clean(runtime, text, {"k": np.array([2.0, 8.0, 18.0, 32.0])})
    assert ran.ops == {"Mul": 1}
    assert ran.edits[:2] == (3, 0)
    assert ran.summaries == ["Constant -> a constant", "Sqrt -> a constant"]
    np.testing.assert_array_equal(constant_array(ran.node("y").inputs[1]), np.array([2, 4, 6, 8], np.float32))


def test_1_shape_arithmetic(runtime: Runtime) -> None:
    text = """g (float[2,4,8] x) => (float[2,32] y) {
        s = Shape(x)
        i = Constant<value_int = 0>()
        n = Gather(s, i)
        axes = Constant<value_ints = [0]>()
        m = Unsqueeze(n, axes)
        k = Constant<value_ints = [-1]>()
        q = Concat<axis = 0>(m, k)
        y = Reshape(x, q)
    }"""
    ran = clean(runtime, text)
    assert ran.ops == {"Reshape": 1}
    assert ran.edits[:2] == (7, 0)
    assert ran.summaries[-1] == "Concat -> a constant"
    np.testing.assert_array_equal(constant_array(ran.node("y").inputs[1]), [2, -1])
    assert_same_function(ran, {"x": (2, 4, 8)})


def test_1_expressions_on_large_weights(runtime: Runtime) -> None:
    """Too large to be sent as part of a model: evaluated on their own."""
    text = "g (float[N,600] x) => (float[N,500] y) { w = Transpose(k) y = MatMul(x, w) }"
    ran = clean(runtime, text, {"k": (500, 600)})
    assert ran.ops == {"MatMul": 1}
    assert ran.edits == (1, 0, 1)
    assert ran.summaries == ["Transpose -> a constant"]
    assert [edit.made_from for edit in ran.result.journal.edits] == [("k",)]
    assert_same_function(ran, {"x": (2, 600)})


# 2. dimensions that are static although others are not


@pytest.mark.parametrize(
    ("pick", "first", "last", "value"),
    [
        ("Gather(s, one)", "minus", "p", [-1, 4]),
        ("Gather(s, negative)", "minus", "p", [-1, 8]),
        ("Slice(s, one, two)", "minus", "p", [-1, 4]),
        ("Slice(s, minus, far)", "minus", "p", [-1, 8]),
    ],
)
def test_2_dimensions_picked_from_a_shape(runtime: Runtime, pick: str, first: str, last: str, value: list[int]) -> None:
    text = f"""g (float[N,4,8] x) => (float[P,Q] y) {{
        s = Shape(x)
        p = {pick}
        q = Concat<axis = 0>({first}, {last})
        y = Reshape(x, q)
    }}"""
    scalars = {"one": [1], "negative": [-1], "two": [2], "minus": [-1], "far": [2**31 - 1]}
    weights = {name: np.array(number) for name, number in scalars.items() if name in text}
    ran = clean(runtime, text, weights)
    assert ran.ops == {"Reshape": 1}
    assert ran.edits[:2] == (3, 0)
    np.testing.assert_array_equal(constant_array(ran.node("y").inputs[1]), value)
    assert_same_function(ran, {"x": (3, 4, 8)})


def test_2_dynamic_dimensions_stay(runtime: Runtime) -> None:
    text = """g (float[N,4,8] x) => (float[N,32] y) {
        s = Shape(x)
        n = Gather(s, zero)
        q = Concat<axis = 0>(n, minus)
        y = Reshape(x, q)
    }"""
    assert_untouched(clean(runtime, text, {"zero": np.array([0]), "minus": np.array([-1])}))


# 3. CastLike, Identity, Dropout


def test_3_castlike_of_a_known_type(runtime: Runtime) -> None:
    text = "g (float[N,4] x) => (float16[N,4] y) { h = Cast<to = 10>(x) c = CastLike(x, h) y = Relu(c) }"
    ran = clean(runtime, text)
    assert ran.ops == {"Cast": 1, "Relu": 1}
    assert ran.edits == (2, 1, 0)
    assert ran.summaries[0] == "CastLike -> Cast"
    assert ran.node("c").attrs == {"to": 10}


def test_3_identities_and_dropouts_go_and_outputs_keep_their_names(runtime: Runtime) -> None:
    text = """g (float[N,4] x) => (float[N,4] y) {
        a = Identity(x)
        b = Dropout(a)
        c = Relu(b)
        y = Identity(c)
    }"""
    ran = clean(runtime, text)
    assert ran.ops == {"Relu": 1}
    assert ran.edits == (3, 0, 0)
    assert ran.summaries == ["Identity -> its input", "Dropout -> its input", "Identity -> its input"]
    assert [t.name for t in ran.graph.outputs] == ["y"]
    assert_same_function(ran, {"x": (3, 4)})


def test_3_a_tensor_that_is_two_outputs_keeps_one_identity(runtime: Runtime) -> None:
    text = "g (float[N,4] x) => (float[N,4] y, float[N,4] z) { a = Relu(x) y = Identity(a) z = Identity(a) }"
    ran = clean(runtime, text)
    assert ran.ops == {"Relu": 1, "Identity": 1}
    assert ran.edits == (1, 0, 0)
    assert [t.name for t in ran.graph.outputs] == ["y", "z"]
    onnx.checker.check_model(ran.after, full_check=True)
    assert_same_function(ran, {"x": (3, 4)})


# 4. what nobody reads


def test_4_dead_nodes(runtime: Runtime) -> None:
    text = "g (float[N,4] x) => (float[N,4] y) { y = Relu(x) a = Neg(x) b = Tanh(a) c = Neg(b) }"
    ran = clean(runtime, text)
    assert ran.ops == {"Relu": 1}
    assert ran.edits == (3, 0, 0)
    assert ran.summaries == ["3 nodes that nobody reads"]
    assert_same_function(ran, {"x": (3, 4)})


# 5. left alone

UNTOUCHED: dict[str, tuple[str, dict[str, Weight]]] = {
    "quantised weights": (
        "d = DequantizeLinear(w, s, z) y = MatMul(x, d)",
        {"w": np.ones((4, 4), np.int8), "s": np.array(0.1), "z": np.array(0, np.int8)},
    ),
    "what is computed from quantised weights": (
        "d = DequantizeLinear(w, s, z) t = Transpose(d) y = MatMul(x, t)",
        {"w": np.ones((4, 4), np.int8), "s": np.array(0.1), "z": np.array(0, np.int8)},
    ),
    "random numbers, and what is computed from them": (
        "r = RandomNormal<shape = [4]>() q = Mul(r, k) y = Add(x, q)",
        {"k": np.array(2.0)},
    ),
    "Dropout in training mode": (
        "d = Dropout(x, r, t) y = Relu(d)",
        {"r": np.array(0.5), "t": np.array(True)},
    ),
    "an input that is an output": ("y = Identity(x)", {}),
    "a Constant that an If reads": (
        """y = If(f) <
            then_branch = t () => (float[N,4] o) { k = Constant<value_float = 2.0>() o = Mul(x, k) },
            else_branch = e () => (float[N,4] p) { p = Identity(x) }
        >""",
        {"f": np.array(True)},
    ),
}


@pytest.mark.parametrize("case", UNTOUCHED)
def test_5_left_alone(runtime: Runtime, case: str) -> None:
    body, weights = UNTOUCHED[case]
    assert_untouched(clean(runtime, f"g (float[N,4] x) => (float[N,4] y) {{ {body} }}", weights))


def test_5_a_constant_that_would_grow_the_file(runtime: Runtime) -> None:
    text = "g (float[N,1024] x) => (float[1024,1024] y) { w = ConstantOfShape(s) y = Add(x, w) }"
    assert_untouched(clean(runtime, text, {"s": np.array([1024, 1024])}))


@pytest.mark.parametrize(
    ("outputs", "body"),
    [
        ("float z", "y = Relu(x) z = Constant<value_float = 1.0>()"),
        ("float[2] z", "y = Relu(x) z = Identity(k)"),
        ("bool[N,4] z", "d, z = Dropout(x) y = Relu(d)"),
    ],
)
def test_5_graph_outputs(runtime: Runtime, outputs: str, body: str) -> None:
    weights: dict[str, Weight] = {"k": (2,)} if "(k)" in body else {}
    assert_untouched(clean(runtime, f"g (float[N,4] x) => (float[N,4] y, {outputs}) {{ {body} }}", weights))


def test_5_what_a_subgraph_captures(runtime: Runtime) -> None:
    text = """g (float[N,4] x) => (float[N,4] y) {
        k = Constant<value_float = 2.0>()
        i = Identity(x)
        y = If(f) <
            then_branch = t () => (float[N,4] o) { o = Mul(i, k) },
            else_branch = e () => (float[N,4] p) { p = Neg(i) }
        >
    }"""
    assert_untouched(clean(runtime, text, {"f": np.array(True)}))


def test_5_custom_operators(runtime: Runtime) -> None:
    """They may print, or count: what they read is folded, they stay, and the report says what could not be asked."""
    text = """g (float[N,4] x) => (float[N,4] y) {
        a = Constant<value_float = 2.0>()
        b = Mul(a, a)
        c = ex.Foo(b)
        d = ex.Print(x)
        y = Relu(x)
    }"""
    ran = clean(runtime, text, domains=["ex"])
    assert ran.ops == {"Foo": 1, "Print": 1, "Relu": 1}
    assert ran.summaries == ["Constant -> a constant", "Mul -> a constant"]
    assert len(ran.result.notes) == 1
    assert ran.result.notes[0].startswith("onnxruntime cannot load the model, so only local clean-up was done: ")


def test_a_second_run_changes_nothing_and_says_so(runtime: Runtime) -> None:
    text = "g (float[N,4] x) => (float[N,4] y) { a = Constant<value_float = 2.0>() b = Sqrt(a) y = Mul(x, b) }"
    second = run(clean(runtime, text).after, runtime)
    assert_untouched(second)
    assert second.refusals == {}

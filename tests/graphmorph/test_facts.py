"""The index of a graph: who makes and reads what, what is constant, and in which order nodes run."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs
import pytest

from graphmorph.errors import GraphError
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.onnx_door import load
from graphmorph.oracle import Oracle
from graphmorph.runtime import Runtime
from tests.passes.text_models import build

MODEL = build(
    """g (float[N,4] x, bool f, float[4] d) => (float[N,4] y, float[N,4] b) {
        a = Mul(x, k)
        b = Add(a, a)
        c = ex.Relu(b)
        y = If(f) <
            then_branch = t () => (float[N,4] inner) { inner = Relu(a) },
            else_branch = e () => (float[N,4] c2) { c2 = Relu(d) }
        >
    }""",
    {"k": np.array([1.0, 2.0, 3.0, 4.0]), "d": (4,)},
    domains=["ex"],
)


def test_producers_and_every_single_reader() -> None:
    facts = Facts(load(MODEL))
    assert facts.producer["b"].op == "Add"
    assert "x" not in facts.producer
    assert [(reader.node.op, reader.index) for reader in facts.readers["a"]] == [("Add", 0), ("Add", 1)]
    assert facts.readers["y"] == []


def test_outputs_and_captures_are_pinned() -> None:
    facts = Facts(load(MODEL))
    assert [facts.is_pinned(name) for name in ("a", "b", "c", "d", "k")] == [True, True, False, True, False]


def test_domains_tell_whose_operator_it_is() -> None:
    facts = Facts(load(MODEL))
    assert not facts.is_standard(facts.producer["c"])
    assert facts.is_standard(facts.producer["b"])


def test_a_function_takes_an_operator_away_from_onnx() -> None:
    function = '<domain: "", opset_import: ["" : 17]>\nMul (a, b) => (o) { o = Add(a, b) }'
    model = build(f"g (float[4] x) => (float[4] y) {{ y = Mul(x, x) }}\n{function}", ir=10)
    facts = Facts(load(model))
    assert not facts.is_standard(facts.producer["y"])


def test_values_are_given_in_double_and_in_their_own_shape() -> None:
    facts = Facts(load(MODEL))
    constant = facts.tensors["k"]
    assert facts.constant(constant)
    assert facts.value(constant).dtype == np.float64
    assert facts.integers(constant) == [1, 2, 3, 4]
    assert facts.shape(constant) == (4,)


def test_overridable_initializers_say_how_to_make_them_constant() -> None:
    facts = Facts(load(MODEL))
    assert not facts.constant(facts.tensors["d"])
    assert "--freeze-initializers" in facts.variable(facts.tensors["d"])
    assert facts.variable(facts.tensors["x"]) == "x"
    assert Facts(load(MODEL, freeze_initializers=True)).overridable == frozenset()


def test_shapes_come_from_inference_and_not_from_the_file(runtime: Runtime) -> None:
    model = build("g (float[N,4,H,8] x) => (float[N,6,P,Q] y) { a = Conv(x, w) y = Relu(a) }", {"w": (6, 4, 3, 3)})
    graph = load(model)
    facts = Facts(graph)
    assert facts.shape(facts.tensors["a"]) is None
    assert facts.dtype(facts.tensors["a"]) is None
    facts = Facts(graph, lambda: Oracle(runtime).shapes(graph))
    known = facts.shape(facts.tensors["a"])
    assert known is not None
    assert known[:2] == ("N", 6)
    assert known[3] == 6
    assert facts.dtype(facts.tensors["a"]) == 1


def test_nodes_out_of_order_are_sorted() -> None:
    a, b, c = (gs.Variable(name, np.float32, (4,)) for name in "abc")
    nodes = [
        gs.Node("Neg", "second", inputs=[b], outputs=[c]),
        gs.Node("Relu", "first", inputs=[a], outputs=[b]),
    ]
    facts = Facts(Graph(nodes=nodes, inputs=[a], outputs=[c], opset=17))
    assert [node.name for node in facts.order] == ["first", "second"]


def test_a_cycle_is_named() -> None:
    a, b = (gs.Variable(name, np.float32, (4,)) for name in "ab")
    nodes = [gs.Node("Neg", "one", inputs=[b], outputs=[a]), gs.Node("Relu", "two", inputs=[a], outputs=[b])]
    with pytest.raises(GraphError, match="cycle at or before node one"):
        Facts(Graph(nodes=nodes, inputs=[], outputs=[b], opset=17))

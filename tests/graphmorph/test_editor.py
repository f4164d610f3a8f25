"""Edits of one site: staged, then committed together and written down, or forgotten."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.editor import Editor
from graphmorph.errors import GraphError, RefusedError
from graphmorph.facts import Facts
from graphmorph.graph import Graph, constant_array
from graphmorph.journal import ConstantEdit, Journal
from graphmorph.onnx_door import load, to_model
from tests.passes.text_models import build

MODEL = build(
    """g (float[N,4] x) => (float[N,4] y, float[N,4] z) {
        a = Mul(x, k)
        b = Add(a, k)
        c = Identity(b)
        y = Relu(c)
        z = Identity(c)
    }""",
    {"k": (4,)},
)


@pytest.fixture
def graph() -> Graph:
    graph = load(MODEL)
    for node in graph.nodes:
        node.name = f"node_{node.outputs[0].name}"
    return graph


@pytest.fixture
def editor(graph: Graph) -> Editor:
    one = Editor(graph, Facts(graph), Journal())
    one.begin("test", "b")
    return one


def shift(editor: Editor) -> None:
    """a = x * k, b = a + k become b = x + 1."""
    facts = editor.facts
    one = editor.constant("k", np.ones(4), np.dtype(np.float32), ["k"])
    old = [facts.producer["a"], facts.producer["b"]]
    root = editor.root_stand_in(facts.tensors["b"])
    editor.node("Add", "new", [facts.tensors["x"], one], root, in_place_of=old[1])
    editor.remove(old)


def test_a_commit_replaces_nodes_and_is_written_down(graph: Graph, editor: Editor) -> None:
    shift(editor)
    assert [node.op for node in graph.nodes] == ["Mul", "Add", "Identity", "Relu", "Identity"]
    editor.commit()
    editor.flush()
    assert [node.name for node in graph.nodes] == ["node_b", "node_c", "node_y", "node_z"]
    assert [t.name for t in graph.nodes[0].inputs] == ["x", "k_2"]
    assert graph.nodes[0].outputs[0] is graph.nodes[1].inputs[0]
    assert (editor.journal.nodes_removed, editor.journal.nodes_added) == (2, 1)
    assert editor.journal.edits == [ConstantEdit("test", "k_2", ("k",))]


def test_an_abort_leaves_the_graph_as_it_was(graph: Graph, editor: Editor) -> None:
    before = to_model(graph)
    shift(editor)
    editor.abort()
    editor.flush()
    assert to_model(graph) == before
    assert not editor.journal.modified
    assert all(len(t.outputs) == count for t, count in ((graph.tensors()["x"], 1), (graph.tensors()["k"], 2)))


def test_constants_are_made_anew_and_the_old_ones_never_written(graph: Graph, editor: Editor) -> None:
    old = constant_array(graph.tensors()["k"]).copy()
    shift(editor)
    editor.commit()
    np.testing.assert_array_equal(constant_array(editor.facts.tensors["k"]), old)
    with pytest.raises(ValueError, match="read-only"):
        constant_array(editor.facts.tensors["k"])[0] = 1.0


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (7e4, np.float16, r"its weights leave the range of float16 \(largest magnitude 7e\+04\)"),
        (1e39, np.float32, r"its weights leave the range of float32"),
        (np.nan, np.float64, r"its weights leave the range of float64 \(largest magnitude nan\)"),
    ],
)
def test_constants_that_do_not_fit_are_refused(editor: Editor, value: float, dtype: type, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        editor.constant("w", np.array([1.0, value]), np.dtype(dtype))
    assert editor.edit.constants == []


def test_exact_values_are_kept_for_the_certificate(editor: Editor) -> None:
    constant = editor.constant("w", np.array([1 / 3]), np.dtype(np.float16))
    assert editor.edit.exact["w"][0] == 1 / 3
    assert constant_array(constant)[0] == np.float16(1 / 3)


def test_what_is_still_read_is_not_removed(editor: Editor) -> None:
    editor.remove([editor.facts.producer["a"]])
    with pytest.raises(GraphError, match="test would remove a, which is still read"):
        editor.commit()


def test_what_is_an_output_is_not_removed(editor: Editor) -> None:
    editor.remove([editor.facts.producer["y"]])
    with pytest.raises(GraphError, match="test would remove y, which is still read"):
        editor.commit()


def test_an_edit_needs_a_site(graph: Graph) -> None:
    with pytest.raises(GraphError, match="outside a site"):
        Editor(graph, Facts(graph), Journal()).remove([])


def test_new_nodes_need_a_place(editor: Editor) -> None:
    editor.node("Neg", "lost", [editor.facts.tensors["x"]], editor.tensor(editor.facts.tensors["x"], "lost"))
    with pytest.raises(GraphError, match="adds nodes at b, which nothing that it removes produces"):
        editor.commit()


def test_a_bypass_hands_readers_on(graph: Graph, editor: Editor) -> None:
    editor.bypass(editor.facts.producer["c"])
    editor.commit()
    editor.flush()
    assert [t.name for node in graph.nodes[2:] for t in node.inputs] == ["b", "b"]


def test_a_bypass_before_an_output_keeps_the_output(graph: Graph, editor: Editor) -> None:
    editor.bypass(editor.facts.producer["z"])
    editor.commit()
    editor.flush()
    assert [t.name for t in graph.outputs] == ["y", "z"]
    assert [node.outputs[0].name for node in graph.nodes] == ["a", "b", "z", "y"]
    assert graph.nodes[3].inputs[0].name == "z"


def test_a_tensor_made_constant_takes_its_readers_along(graph: Graph, editor: Editor) -> None:
    editor.make_constant(editor.facts.producer["b"], "b", np.zeros(4, np.float32))
    editor.commit()
    editor.flush()
    assert "node_b" not in [node.name for node in graph.nodes]
    assert constant_array(graph.tensors()["b"]).tolist() == [0.0] * 4
    assert [edit.name for edit in editor.journal.edits] == ["b"]

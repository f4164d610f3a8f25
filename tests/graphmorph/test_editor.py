"""Edits of one site: staged, then committed together and written down, or forgotten."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.editor import Editor
from graphmorph.errors import GraphError, RefusedError
from graphmorph.facts import Facts
from graphmorph.graph import Graph, constant_array
from graphmorph.journal import NEW, ConstantEdit, Journal, Slice
from graphmorph.onnx_door import load, to_model
from graphmorph.runtime.protocol import TensorFacts
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


def test_nodes_are_edited_in_place_at_the_commit(graph: Graph, editor: Editor) -> None:
    before, node = to_model(graph), editor.facts.producer["a"]
    half = editor.sliced(editor.facts.tensors["k"], [Slice(0, (2, 0))])
    editor.reread(node, 1, half)
    editor.set_attribute(node, "alpha", 0.5)
    editor.set_attribute(editor.facts.producer["c"], "beta", 1)
    editor.set_attribute(editor.facts.producer["c"], "beta", None)
    assert to_model(graph) == before
    edit = editor.commit()
    editor.flush()
    assert [n.name for n in edit.touched] == ["node_a", "node_c"]
    assert node.inputs[1] is half
    assert [reader.name for reader in half.outputs] == ["node_a"]
    assert [reader.name for reader in editor.facts.tensors["k"].outputs] == ["node_b"]
    assert (node.attrs, editor.facts.producer["c"].attrs) == ({"alpha": 0.5}, {})
    assert (editor.journal.nodes_added, editor.journal.nodes_removed, editor.journal.nodes_changed) == (0, 0, 2)


def test_what_is_staged_in_place_is_forgotten_by_an_abort(graph: Graph, editor: Editor) -> None:
    before, x = to_model(graph), editor.facts.tensors["x"]
    editor.reread(editor.facts.producer["b"], 1, editor.sliced(editor.facts.tensors["k"], [Slice(0, (1,))]))
    editor.set_attribute(editor.facts.producer["b"], "alpha", 1)
    editor.resize(x, {1: 2})
    editor.abort()
    editor.flush()
    assert to_model(graph) == before
    assert not editor.journal.modified
    assert graph.resized == {}


def test_a_slice_takes_entries_axis_by_axis() -> None:
    graph = load(build("g (float[2,3] x) => (float[2,3] y) { y = Add(x, w) }", {"w": np.arange(6.0).reshape(2, 3)}))
    editor = Editor(graph, Facts(graph), Journal())
    editor.begin("test", "y")
    slices = (Slice(1, (2, 0)), Slice(0, (1,)))
    taken = editor.sliced(editor.facts.tensors["w"], slices, takes_over=True)
    assert (taken.name, constant_array(taken).tolist()) == ("w", [[5.0, 3.0]])
    assert constant_array(taken).dtype == np.float32
    assert editor.edit.constants == [ConstantEdit("test", "w", ("w",), slices)]
    assert graph.origins["w"] == ("w",)
    with pytest.raises(GraphError, match="test takes new entries of w, which has none"):
        editor.sliced(editor.facts.tensors["w"], [Slice(0, (0, NEW))])


def test_a_constant_that_takes_over_a_name_keeps_what_the_old_one_was_made_of(editor: Editor, graph: Graph) -> None:
    graph.origins["k"] = ("conv.weight", "bn.weight")
    editor.sliced(editor.facts.tensors["k"], [Slice(0, (0,))], takes_over=True)
    assert graph.origins["k"] == ("conv.weight", "bn.weight")


def test_an_optional_input_is_given_anew(graph: Graph, editor: Editor) -> None:
    node = editor.facts.producer["c"]
    editor.reread(node, 2, editor.values("third", np.ones(1)))
    editor.commit()
    assert [tensor.name for tensor in node.inputs] == ["b", "", "third"]


def test_nobody_reads_what_was_read_before(graph: Graph, editor: Editor) -> None:
    """A node goes when its only reader reads something else, in the same edit or without one that removes it."""
    editor.reread(editor.facts.producer["b"], 0, editor.facts.tensors["x"])
    editor.remove([editor.facts.producer["a"]])
    editor.commit()
    editor.begin("test", "c")
    editor.reread(editor.facts.producer["c"], 0, editor.facts.tensors["x"])
    editor.commit()
    editor.flush()
    assert [node.name for node in graph.nodes] == ["node_c", "node_y", "node_z"]


def test_a_new_node_goes_before_one_that_stays(graph: Graph, editor: Editor) -> None:
    node = editor.facts.producer["y"]
    output = editor.tensor(editor.facts.tensors["c"], "masked")
    editor.node("Neg", "neg", [editor.facts.tensors["c"]], output, ahead_of=node)
    editor.reread(node, 0, output)
    editor.commit()
    editor.flush()
    assert [n.name for n in graph.nodes] == ["node_a", "node_b", "node_c", "neg", "node_y", "node_z"]


def test_sizes_of_some_axes_change(graph: Graph) -> None:
    """What was said of the others stays, and what nobody knew stays unsaid."""
    known = {"x": TensorFacts(1, ("N", 4)), "b": TensorFacts(1, ("N", 4))}
    editor = Editor(graph, Facts(graph, lambda: known), Journal())
    editor.begin("test", "b")
    for name in ("x", "b", "c"):
        editor.resize(editor.facts.tensors[name], {1: 3})
    editor.commit()
    assert editor.facts.tensors["x"].shape == ["N", 3]
    assert editor.facts.tensors["b"].shape is None
    assert known["b"].shape == ("N", 3)
    assert graph.resized == {"x": ("N", 3), "b": ("N", 3)}
    assert graph.copy().resized == graph.resized

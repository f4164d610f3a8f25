"""Removing elements: constants are sliced, sizes follow, and what is shared, named or stored stays so."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from graphmorph.channels.removal import check, remove
from graphmorph.editor import Editor
from graphmorph.errors import RefusedError
from graphmorph.journal import ConstantEdit, Journal, Slice
from graphmorph.onnx_door import load, to_model
from graphmorph.onnx_door.storage import StoredValues
from graphmorph.runtime import Runtime
from tests.graphmorph.channels.removed_text import (
    analysis_of,
    assert_equals_masked,
    constants_of,
    kept_without,
    removed,
)
from tests.passes.text_models import Weight, build, norm

TWO_CONVS = """g (float[N,4,8,8] x) => (float[N,3,4,4] y)
<float[N,8,H,W] r> {
    a = Conv<pads=[1,1,1,1]>(x, w, b)
    r = Relu(a)
    m = Mul(r, k)
    y = Conv<strides=[2,2], pads=[1,1,1,1]>(m, v)
}"""
WEIGHTS: dict[str, Weight] = {"w": (8, 4, 3, 3), "b": (8,), "k": np.ones((8, 1, 1)), "v": (3, 8, 3, 3)}


def test_constants_are_sliced_and_keep_their_names(runtime: Runtime) -> None:
    result = removed(build(TWO_CONVS, WEIGHTS), runtime, [0, 3, 4])
    assert_equals_masked(result, {"x": (2, 4, 8, 8)})
    shapes = {name: values.shape for name, values in constants_of(result.after).items()}
    assert shapes == {"w": (5, 4, 3, 3), "b": (5,), "k": (5, 1, 1), "v": (3, 5, 3, 3)}
    taken = (1, 2, 5, 6, 7)
    assert ConstantEdit("remove", "v", ("v",), (Slice(1, taken),)) in result.journal.edits
    assert (result.journal.nodes_removed, result.journal.nodes_added, result.journal.nodes_changed) == (0, 0, 3)
    assert result.graph.origins["w"] == ("w",)


def test_sizes_that_the_file_states_follow(runtime: Runtime) -> None:
    result = removed(build(TWO_CONVS, WEIGHTS), runtime, [7])
    stated = {value.name: value.type.tensor_type.shape for value in result.after.graph.value_info}
    assert [dim.dim_param or dim.dim_value for dim in stated["r"].dim] == ["N", 7, "H", "W"]
    assert set(stated) == {"r"}
    assert result.graph.resized["a"] == ("N", 7, 8, 8)
    assert "y" not in result.graph.resized


def test_a_tensor_of_which_nothing_is_stated_stays_so(runtime: Runtime) -> None:
    result = removed(build(TWO_CONVS, WEIGHTS), runtime, [7])
    assert result.node("a").outputs[0].shape is None


def test_nothing_to_remove_edits_nothing(runtime: Runtime) -> None:
    model = build(TWO_CONVS, WEIGHTS)
    analysis = analysis_of(model, runtime)
    editor = Editor(analysis.facts.graph, analysis.facts, Journal())
    editor.begin("remove", "y")
    remove(analysis, analysis.all_kept(), editor)
    editor.commit()
    assert not editor.journal.modified
    assert to_model(analysis.facts.graph) == to_model(load(model))


def test_an_axis_keeps_one_element(runtime: Runtime) -> None:
    analysis = analysis_of(build(TWO_CONVS, WEIGHTS), runtime)
    kept = kept_without(analysis, "k", range(8))
    assert check(analysis, kept)[0] == "nothing would be left of axis 0 of constant w"
    assert "nothing would be left of axis 1 of tensor r" in check(analysis, kept)
    editor = Editor(analysis.facts.graph, analysis.facts, Journal())
    editor.begin("remove", "y")
    before = to_model(analysis.facts.graph)
    with pytest.raises(RefusedError, match=r"nothing would be left of axis 0 of constant w \(and \d+ more\): keep"):
        remove(analysis, kept, editor)
    editor.abort()
    assert to_model(analysis.facts.graph) == before


def test_one_element_may_be_left(runtime: Runtime) -> None:
    result = removed(build(TWO_CONVS, WEIGHTS), runtime, range(1, 8))
    assert_equals_masked(result, {"x": (1, 4, 8, 8)})


def test_a_removal_that_is_aborted_leaves_everything(runtime: Runtime) -> None:
    analysis = analysis_of(build(TWO_CONVS, WEIGHTS), runtime)
    graph = analysis.facts.graph
    before = to_model(graph)
    editor = Editor(graph, analysis.facts, Journal())
    editor.begin("remove", "y")
    remove(analysis, kept_without(analysis, "k", [1]), editor)
    editor.abort()
    editor.flush()
    assert to_model(graph) == before
    assert not editor.journal.modified
    assert graph.resized == {}


def test_a_vector_that_two_layers_share_by_chance_is_sliced_apart(runtime: Runtime) -> None:
    """Exporters write equal vectors once: here the biases of both layers, one of which shrinks."""
    text = """g (float[N,6] x) => (float[N,6] y) {
        a = Gemm<transB=1>(x, w, b)
        m = Mul(a, k)
        y = Gemm<transB=1>(m, v, b)
    }"""
    weights: dict[str, Weight] = {"w": (6, 6), "v": (6, 6), "b": (6,), "k": np.ones(6)}
    result = removed(build(text, weights), runtime, [2])
    assert_equals_masked(result, {"x": (3, 6)})
    assert {name: len(values) for name, values in constants_of(result.after).items() if name.startswith("b")} == {
        "b": 6,
        "b_2": 5,
    }


def test_a_weight_that_two_layers_share_stays_one(runtime: Runtime) -> None:
    text = """g (float[N,6] x) => (float[N,6] y) {
        a = Gemm<transB=1>(x, w)
        b = Gemm(a, w)
        c = Gemm<transB=1>(b, w)
        m = Mul(c, k)
        y = Gemm(m, w)
    }"""
    result = removed(build(text, {"w": (5, 6), "k": np.ones(5)}), runtime, [0, 4])
    assert {name: values.shape for name, values in constants_of(result.after).items()} == {"w": (3, 6), "k": (3,)}


def test_readers_that_are_sliced_alike_share_what_is_new(runtime: Runtime) -> None:
    text = """g (float[N,6] x) => (float[N,2] y) {
        a = Gemm<transB=1>(x, w)
        s = Mul(a, b)
        t = Add(s, b)
        m = Mul(t, k)
        y = Gemm<transB=1>(m, v)
    }"""
    result = removed(build(text, {"w": (5, 6), "v": (2, 5), "b": (5,), "k": np.ones(5)}), runtime, [1])
    assert_equals_masked(result, {"x": (3, 6)})
    assert result.node("s").inputs[1] is result.node("t").inputs[1]
    assert result.node("s").inputs[1].name == "b"


def test_a_constant_that_is_an_output_keeps_its_name_and_the_new_one_has_another(runtime: Runtime) -> None:
    text = """g (float[N,6] x) => (float[N,2] y, float[5] b) {
        a = Gemm<transB=1>(x, w)
        s = Mul(a, b)
        m = Mul(s, k)
        y = Gemm<transB=1>(m, v)
    }"""
    model = build(text, {"w": (5, 6), "v": (2, 5), "b": (5,), "k": np.ones(5)})
    result = removed(model, runtime, [1])
    assert_equals_masked(result, {"x": (3, 6)})
    assert constants_of(result.after)["b"].shape == (5,)
    assert constants_of(result.after)["b_2"].shape == (4,)


def test_normalisation_and_residual_sums(runtime: Runtime) -> None:
    text = """g (float[N,4,8,8] x) => (float[N,4] y) {
        a = Conv<pads=[1,1,1,1]>(x, w)
        n = BatchNormalization(a, s, b, m, v)
        r = Relu(n)
        c = Conv<group=6, pads=[1,1,1,1]>(r, d)
        z = Add(c, r)
        p = GlobalAveragePool(z)
        f = Flatten(p)
        t = Mul(f, k)
        y = Gemm<transB=1>(t, h)
    }"""
    weights: dict[str, Weight] = {"w": (6, 4, 3, 3), **norm(6), "d": (6, 1, 3, 3), "k": np.ones(6), "h": (4, 6)}
    result = removed(build(text, weights), runtime, [0, 5])
    assert_equals_masked(result, {"x": (2, 4, 8, 8)})
    assert result.node("c").attrs["group"] == 4


def test_models_that_list_their_initializers_as_inputs(runtime: Runtime) -> None:
    """IR version 3: the sizes of the listed inputs follow, and so does value_info of an initializer."""
    model = build(TWO_CONVS, WEIGHTS, ir=3, opset=8)
    for tensor in model.graph.initializer:
        entry = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        model.graph.input.append(entry)
        model.graph.value_info.append(entry)
    result = removed(model, runtime, [0, 3, 4])
    assert_equals_masked(result, {"x": (2, 4, 8, 8)})
    for entries in (result.after.graph.input, result.after.graph.value_info):
        sizes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in entries}
        assert sizes["w"] == [5, 4, 3, 3]
        assert sizes["v"] == [3, 5, 3, 3]


def test_half_precision_and_large_weights_stay_what_they_are(runtime: Runtime) -> None:
    """Values are taken, never computed; what does not change stays in the file that it was read from."""
    text = """g (float[N,64] x) => (float[N,64] y) {
        a = Gemm<transB=1>(x, w)
        m = Mul(a, k)
        t = Gemm<transB=1>(m, v)
        y = Gemm<transB=1>(t, u)
    }"""
    weights: dict[str, Weight] = {"w": (8, 64), "v": (64, 8), "u": (64, 64), "k": np.ones(8)}
    result = removed(build(text, weights, dtype="float16"), runtime, [6, 7])
    constants = {t.name: t for node in result.graph.nodes for t in node.inputs if t.name in weights}
    assert constants["w"].dtype == np.float16
    assert isinstance(constants["u"]._values, StoredValues)
    old = {t.name: numpy_helper.to_array(t) for t in result.masked.graph.initializer}
    np.testing.assert_array_equal(constants_of(result.after)["v"], old["v"][:, :6])
    assert constants["v"].values.flags.c_contiguous

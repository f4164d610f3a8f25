"""What no pass touched is written as it was read; what a pass touched is rewritten, and only that."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from onnx import TensorProto

from graphmorph.errors import ModelFileError
from graphmorph.graph import Graph
from graphmorph.onnx_door import load, to_model
from graphmorph.onnx_door.attributes import OpaqueAttribute
from tests.graphmorph.onnx_door.door_models import LARGE, chain, everything, parse


def fields(message: onnx.NodeProto, *names: str) -> list[object]:
    return [getattr(message, name) for name in names]


def test_an_edited_node_keeps_its_documents_and_hidden_attributes() -> None:
    graph = load(everything())
    graph.nodes[0].inputs[1] = gs.Constant("fresh", np.zeros(4, np.float32))
    graph.nodes[0].attrs["added"] = 3
    node = to_model(graph).graph.node[0]
    before = everything().graph.node[0]
    assert list(node.input) == ["x", "fresh"]
    assert node.doc_string == before.doc_string
    assert node.metadata_props == before.metadata_props
    assert [attribute.name for attribute in node.attribute] == ["hidden", "raw", "added"]
    assert list(node.attribute[:2]) == list(before.attribute)


def test_other_nodes_than_the_edited_one_are_untouched() -> None:
    graph = load(everything())
    graph.nodes[0].name = "renamed"
    model, before = to_model(graph), everything()
    assert model.graph.node[0].name == "renamed"
    assert model.graph.node[1:] == before.graph.node[1:]
    before.graph.node[0].name = "renamed"
    assert model == before


def test_attributes_are_rewritten_only_where_they_differ() -> None:
    model = parse(
        """<ir_version: 8, opset_import: ["" : 17]>
        agraph (float[N,3,8,8] x, float[4,3,3,3] w) => (float[N,4,8,8] y)
        { y = Conv <pads = [1, 1, 1, 1], strides = [1, 1], group = 1, auto_pad = "NOTSET", kept = 0.1,
          dropped = 2> (x, w) }"""
    )
    model.graph.node[0].attribute[1].doc_string = "about strides"
    graph = load(model)
    attrs = graph.nodes[0].attrs
    attrs["pads"] = [2, 2, 2, 2]
    attrs["strides"] = (1, 1)
    attrs["group"] = np.int64(1)
    attrs["kept"] = 3
    del attrs["dropped"]
    written = {attribute.name: attribute for attribute in to_model(graph).graph.node[0].attribute}
    before = {attribute.name: attribute for attribute in model.graph.node[0].attribute}
    assert list(written) == ["pads", "strides", "group", "auto_pad", "kept"]
    assert list(written["pads"].ints) == [2, 2, 2, 2]
    assert all(written[name] == before[name] for name in ("strides", "group", "auto_pad"))
    assert fields(written["kept"], "type", "f") == [onnx.AttributeProto.FLOAT, 3.0]


def test_opaque_attributes_are_visible_and_move_with_the_node() -> None:
    graph = load(everything()).copy()
    hidden, raw = (graph.nodes[0].attrs[name] for name in ("hidden", "raw"))
    assert isinstance(hidden, OpaqueAttribute)
    assert raw != hidden
    graph.nodes[0].outputs[0].name = "renamed"
    graph.nodes[0].attrs = {"hidden": hidden, "moved": raw}
    first, second = to_model(graph).graph.node[0].attribute
    assert first == everything().graph.node[0].attribute[0]
    assert fields(second, "name", "s") == ["moved", b"\xff\xfe"]


def test_an_attribute_that_onnx_cannot_hold_is_named() -> None:
    graph = load(everything())
    graph.nodes[0].attrs["bad"] = object()
    with pytest.raises(ModelFileError, match="attribute 'bad' cannot be written"):
        to_model(graph)


def test_an_edit_inside_a_subgraph_is_written_there() -> None:
    graph = load(everything())
    branch = graph.nodes[2].attrs["then_branch"]
    branch.nodes[0].name = "edited"
    model, before = to_model(graph), everything()
    before.graph.node[2].attribute[0].g.node[0].name = "edited"
    assert model == before


def test_an_edit_inside_a_function_is_written_there() -> None:
    graph = load(everything())
    graph.functions[0].nodes[1].name = "edited"
    model, before = to_model(graph), everything()
    before.functions[0].node[1].name = "edited"
    assert model == before


def test_constants_put_into_a_function_become_constant_nodes() -> None:
    graph = load(everything())
    graph.functions[0].nodes[1].inputs[0] = gs.Constant("k", np.ones(4, np.float32))
    function = to_model(graph).functions[0]
    assert [node.op_type for node in function.node] == ["Constant", "Constant", "Mul"]
    assert list(function.node[0].output) == ["k"]


def test_removed_initializers_go_and_unread_ones_stay() -> None:
    graph = load(everything())
    graph.nodes[0].inputs[1] = gs.Constant("fresh", np.zeros(4, np.float32))
    names = [tensor.name for tensor in to_model(graph).graph.initializer]
    assert names == ["w", "unused", "fresh"]  # w is still read inside the subgraph
    assert graph.record is not None
    graph.record.unread.clear()
    branch = graph.nodes[2].attrs["else_branch"]
    branch.nodes[1].inputs[1] = graph.nodes[0].inputs[1]
    model = to_model(graph)
    assert [tensor.name for tensor in model.graph.initializer] == ["fresh"]
    assert [tensor.name for tensor in model.graph.node[2].attribute[1].g.initializer] == ["s"]


def test_branches_may_use_one_name_for_different_constants() -> None:
    graph = load(everything())
    model = to_model(graph.copy())
    branches = [attribute.g.initializer[0] for attribute in model.graph.node[2].attribute]
    assert [onnx.numpy_helper.to_array(tensor)[0] for tensor in branches] == [5, 9]


def test_two_new_constants_of_one_name_are_refused() -> None:
    graph = load(chain({"a": np.ones(3, np.float32), "b": np.ones(3, np.float32)}))
    for node in graph.nodes[:2]:
        node.inputs[1] = gs.Constant("same", np.zeros(3, np.float32) + len(node.name))
    with pytest.raises(ModelFileError, match="two different constants are called 'same'"):
        to_model(graph)


def test_a_changed_constant_is_written_and_the_others_stay() -> None:
    model = chain({"a": np.ones(LARGE, np.float32), "b": np.ones(3, np.float32)})
    model.graph.initializer[0].doc_string = model.graph.initializer[1].doc_string = "doc"
    graph = load(model)
    graph.tensors()["a"].values = np.zeros(LARGE, np.float16)
    first, second = to_model(graph).graph.initializer
    assert second == model.graph.initializer[1]
    assert fields(first, "name", "data_type", "doc_string") == ["a", TensorProto.FLOAT16, ""]


def test_value_info_follows_the_tensors() -> None:
    model = parse(
        """<ir_version: 8, opset_import: ["" : 17]> agraph (float[N, 4] x) => (float[N, 4] y)
        <float[N, 4] a, float[N, 4] b, float[N, 4] c> { a = Relu(x) b = Abs(a) c = Neg(b) y = Relu(c) }"""
    )
    for entry in model.graph.value_info:
        entry.doc_string = "doc"
        entry.type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    graph = load(model)
    graph.nodes[1].outputs[0].shape = ["N", 8]
    graph.nodes[2].inputs[0] = gs.Constant("k", np.ones(4, np.float32))
    new = gs.Variable("d", np.dtype(np.float64), ["N", None, 4])
    graph.nodes.append(gs.Node("Cast", "cast", {"to": np.float16}, [graph.nodes[2].outputs[0]], [new]))
    graph.nodes[0].outputs[0].name = "renamed"
    entries = {entry.name: entry for entry in to_model(graph).graph.value_info}
    assert list(entries) == ["b", "c", "renamed", "d"]
    assert entries["c"] == model.graph.value_info[2]
    dims = entries["b"].type.tensor_type.shape.dim
    assert (dims[0].dim_param, dims[0].denotation, dims[1].dim_value) == ("N", "DATA_BATCH", 8)
    assert entries["b"].doc_string == "doc"
    kind = entries["d"].type.tensor_type
    assert kind.elem_type == TensorProto.DOUBLE
    assert [dim.WhichOneof("value") for dim in kind.shape.dim] == ["dim_param", None, "dim_value"]


def test_quantization_annotations_go_with_their_tensor() -> None:
    graph = load(everything())
    graph.nodes[0].outputs[0].name = "renamed"
    assert not to_model(graph).graph.quantization_annotation


def test_inputs_and_outputs_can_be_changed_and_added() -> None:
    graph = load(everything())
    graph.inputs[0].dtype = np.dtype(np.float16)
    graph.inputs = [graph.inputs[1], graph.inputs[0], gs.Variable("z", np.float32, [None, 3])]
    graph.outputs.append(graph.nodes[0].outputs[0])
    model = to_model(graph)
    assert [value.name for value in model.graph.input] == ["c", "x", "z"]
    assert model.graph.input[1].type.tensor_type.elem_type == TensorProto.FLOAT16
    assert [value.name for value in model.graph.output] == ["y", "h"]


def test_a_constant_can_be_an_output() -> None:
    model = chain({"w": np.ones(3, np.float32)})
    model.graph.output.add(name="w").type.tensor_type.elem_type = TensorProto.FLOAT
    graph = load(model)
    assert isinstance(graph.outputs[1], gs.Constant)
    assert to_model(graph.copy()) == model
    graph.nodes[0].inputs[1] = graph.inputs[0]
    assert [tensor.name for tensor in to_model(graph).graph.initializer] == ["w"]
    assert [tensor.name for tensor in to_model(graph.copy()).graph.initializer] == ["w"]


def test_a_branch_may_give_out_an_outer_tensor() -> None:
    model = everything()
    branch = model.graph.node[2].attribute[0].g
    branch.ClearField("node")
    branch.ClearField("initializer")
    branch.output[0].name = "h"
    assert to_model(load(model)) == model
    assert to_model(load(model).copy()) == model


def test_a_new_function_is_written_with_its_defaults() -> None:
    x, y = gs.Variable("x"), gs.Variable("y")
    node = gs.Node("Elu", attrs={"alpha": gs.Node.AttributeRef("alpha", float)}, inputs=[x], outputs=[y])
    function = gs.Function("soft", "local", [node], [x], [y], opset=17, attrs={"alpha": 2.0, "must": None})
    graph = load(everything())
    graph.functions.append(function)
    written = to_model(graph).functions[2]
    assert fields(written, "name", "domain") == ["soft", "local"]
    assert [attribute.f for attribute in written.attribute_proto] == [2.0]
    assert list(written.attribute) == ["must"]
    assert written.node[0].attribute[0].ref_attr_name == "alpha"
    assert [(entry.domain, entry.version) for entry in written.opset_import] == [("", 17)]


def test_operator_sets_are_added_only_for_new_domains() -> None:
    model = everything()
    del model.opset_import[1]  # "local" is used without being imported: not ours to repair
    graph = load(model)
    assert to_model(graph) == model
    graph.nodes[0].domain = "com.example"
    found = [(entry.domain, entry.version) for entry in to_model(graph).opset_import]
    assert found == [("", 21), ("com.example", 1)]
    graph.opset = 22
    assert to_model(graph).opset_import[0].version == 22


def test_nodes_without_outputs_are_kept() -> None:
    model = chain({"w": np.ones(3, np.float32)})
    for text in ("one", "two"):
        model.graph.node.add(op_type="Print", domain="d", input=["x"], doc_string=text)
    assert to_model(load(model)) == model


def test_model_fields_can_be_changed() -> None:
    graph = load(everything())
    graph.producer_name, graph.doc_string, graph.name, graph.ir_version = "me", "mine", "renamed", 9
    model = to_model(graph.copy())
    assert fields(model, "producer_name", "ir_version", "doc_string") == ["me", 9, "about the model"]
    assert fields(model.graph, "name", "doc_string") == ["renamed", "mine"]


def test_a_graph_that_was_not_loaded_can_be_written() -> None:
    x, y = gs.Variable("x", np.float32, [3]), gs.Variable("y", np.float32, [3])
    node = gs.Node("Add", "add", {}, [x, gs.Constant("k", np.ones(LARGE, np.float32))], [y])
    for graph in (gs.Graph([node], [x], [y], opset=17), Graph([node], [x], [y], opset=17)):
        model = to_model(graph)
        onnx.checker.check_model(model)
        assert model.opset_import[0].version == 17
        assert onnx.numpy_helper.to_array(model.graph.initializer[0]).sum() == 1600

"""Initializers that are also graph inputs: constants in old IR versions, overridable in new ones."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from onnx import TensorProto, helper

from graphmorph.onnx_door import constant_array, load, model_bytes, to_model
from tests.graphmorph.onnx_door.door_models import LARGE, chain


def listed(ir_version: int) -> onnx.ModelProto:
    """A chain whose two weights are also listed among the inputs."""
    model = chain({"a": np.ones(LARGE, np.float32), "b": np.ones(40, np.float32)}, ir_version)
    for name, shape in (("a", LARGE), ("b", (40,))):
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    return model


def test_in_ir_3_they_are_constants() -> None:
    graph = load(listed(3))
    assert [tensor.name for tensor in graph.inputs] == ["x"]
    assert isinstance(graph.tensors()["a"], gs.Constant)
    assert to_model(graph) == listed(3)


def test_in_ir_3_new_ones_are_listed_and_removed_ones_are_not() -> None:
    graph = load(listed(3))
    graph.nodes[0].inputs[1] = gs.Constant("new", np.ones(LARGE, np.float16))
    model = to_model(graph)
    assert [value.name for value in model.graph.input] == ["x", "b", "new"]
    kind = model.graph.input[2].type.tensor_type
    assert kind.elem_type == TensorProto.FLOAT16
    assert [dim.dim_value for dim in kind.shape.dim] == list(LARGE)
    onnx.checker.check_model(model)


@pytest.mark.parametrize("ir_version", [4, 10])
def test_from_ir_4_on_they_are_inputs_with_a_default(ir_version: int) -> None:
    graph = load(listed(ir_version))
    assert [tensor.name for tensor in graph.inputs] == ["x", "a", "b"]
    assert isinstance(graph.tensors()["a"], gs.Variable)
    assert graph.record is not None
    assert list(graph.record.defaults) == ["a", "b"]
    assert constant_array(graph.record.defaults["a"]).sum() == 1600
    assert to_model(graph) == listed(ir_version)
    assert to_model(graph.copy()) == listed(ir_version)


def test_a_removed_input_takes_its_default_along() -> None:
    graph = load(listed(8))
    graph.nodes[0].inputs[1] = graph.inputs[0]
    graph.inputs = [tensor for tensor in graph.inputs if tensor.name != "a"]
    model = to_model(graph)
    assert [value.name for value in model.graph.input] == ["x", "b"]
    assert [tensor.name for tensor in model.graph.initializer] == ["b"]


def test_frozen_they_are_constants_and_no_inputs() -> None:
    graph = load(listed(8), freeze_initializers=True)
    assert [tensor.name for tensor in graph.inputs] == ["x"]
    assert graph.record is not None
    assert not graph.record.defaults
    model = to_model(graph)
    assert [value.name for value in model.graph.input] == ["x"]
    assert model.graph.initializer == listed(8).graph.initializer


def test_model_bytes_make_inputs_of_large_weights() -> None:
    model = onnx.ModelProto.FromString(model_bytes(load(listed(3))))
    assert model.ir_version == 4
    assert [value.name for value in model.graph.input] == ["x", "a"]
    assert [tensor.name for tensor in model.graph.initializer] == ["b"]
    assert [dim.dim_value for dim in model.graph.input[1].type.tensor_type.shape.dim] == list(LARGE)
    model.graph.ClearField("output")
    onnx.shape_inference.infer_shapes(model, strict_mode=True)


def test_model_bytes_make_inputs_of_large_constant_nodes() -> None:
    value = onnx.numpy_helper.from_array(np.ones(LARGE, np.float32), "value")
    model = chain({"w": np.ones(LARGE, np.float32)})
    model.graph.node.insert(0, helper.make_node("Constant", [], ["k"], value=value))
    model.graph.node[1].input[0] = "k"
    found = onnx.ModelProto.FromString(model_bytes(load(model)))
    assert [value.name for value in found.graph.input] == ["x", "w", "k"]
    assert [node.op_type for node in found.graph.node] == ["Mul", "Identity"]


def test_model_bytes_can_keep_all_weights_and_drop_value_info() -> None:
    model = chain({"w": np.ones(LARGE, np.float32)})
    model.graph.value_info.append(helper.make_tensor_value_info("after_w", TensorProto.FLOAT, [9]))
    graph = load(model)
    assert onnx.ModelProto.FromString(model_bytes(graph, weights_as_inputs_above=None)) == model
    found = onnx.ModelProto.FromString(model_bytes(graph, keep_value_info=False))
    assert not found.graph.value_info
    assert found.ByteSize() < 400


def test_model_bytes_can_be_given_a_new_large_constant() -> None:
    graph = load(chain({"w": np.ones(3, np.float32)}))
    graph.nodes[0].inputs[1] = gs.Constant("new", np.ones(LARGE, np.float16))
    found = onnx.ModelProto.FromString(model_bytes(graph))
    assert [(value.name, value.type.tensor_type.elem_type) for value in found.graph.input] == [
        ("x", 1),
        ("new", 10),
    ]

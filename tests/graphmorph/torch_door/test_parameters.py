"""Weights as constants: no copy, never written into, and what the module holds now is what the graph says."""

from __future__ import annotations

import copy

import ml_dtypes
import numpy as np
import onnx_graphsurgeon as gs
import pytest
import torch
from torch import nn

from graphmorph.graph import Graph, constant_array
from graphmorph.torch_door import materialise, trace
from graphmorph.torch_door.parameters import ParameterValues
from tests.graphmorph.torch_door.edits import nodes_of, replace_constant, values_of
from tests.graphmorph.torch_door.identity_law import assert_same_state
from tests.graphmorph.torch_door.programs import SmallNet, images, program, rows


def constants(graph: Graph) -> dict[str, gs.Constant]:
    return {name: t for name, t in graph.tensors().items() if isinstance(t, gs.Constant)}


def test_constants_are_views_of_the_parameters() -> None:
    module = SmallNet().eval()
    found = constants(trace(module, images()))
    assert {"features.0.weight", "features.1.running_mean", "head.fc.bias"} <= set(found)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if name in found:
            assert constant_array(found[name]).__array_interface__["data"][0] == tensor.data_ptr()


@pytest.mark.parametrize("read", [constant_array, lambda constant: constant.values], ids=["array", "values"])
def test_writing_into_a_constant_is_refused(read: object) -> None:
    graph = trace(SmallNet().eval(), images())
    array = read(constants(graph)["second.weight"])  # type: ignore[operator]
    with pytest.raises(ValueError, match="read-only"):
        array *= 2


def test_the_graph_follows_an_optimiser_on_either_module() -> None:
    module = SmallNet().train()
    graph = trace(module, images())
    again = materialise(graph)
    before = {name: values.copy() for name, c in constants(graph).items() if (values := constant_array(c)) is not None}
    optimizer = torch.optim.SGD(again.parameters(), 0.1)
    again(images()).square().sum().backward()
    optimizer.step()
    changed = 0
    for name, parameter in module.named_parameters():
        if name in before:
            now = constant_array(constants(graph)[name])
            np.testing.assert_array_equal(now, parameter.detach().numpy())
            changed += not np.array_equal(now, before[name])
    assert changed > 4
    moved = constants(graph)["features.1.running_mean"]
    np.testing.assert_array_equal(constant_array(moved), module.features[1].running_mean.numpy())


def test_reading_values_does_not_make_them_new() -> None:
    module = SmallNet().eval()
    graph = trace(module, images())
    for constant in constants(graph).values():
        constant.values  # noqa: B018 - graphsurgeon keeps the array now
    assert_same_state(module, materialise(graph))
    assert_same_state(module, materialise(graph.copy()))


def test_one_constant_for_all_readers_of_a_parameter() -> None:
    first, second = nn.Linear(6, 6), nn.Linear(6, 6)
    second.weight = first.weight
    module = program(lambda m, x: m.second(m.first(m.first(x))), first=first, second=second)
    gemms = nodes_of(trace(module, rows()), "Gemm")
    assert len({id(node.inputs[1]) for node in gemms}) == 1


def test_a_transposed_reader_sees_the_same_memory() -> None:
    module = program(lambda m, x: m.layer(x), layer=nn.Linear(6, 3))
    graph = trace(module, torch.randn(2, 5, 6))
    product = nodes_of(graph, "MatMul")[0]
    array = constant_array(product.inputs[1])
    np.testing.assert_array_equal(array, module.layer.weight.detach().numpy().T)
    assert array.__array_interface__["data"][0] == module.layer.weight.data_ptr()


def test_bfloat16_is_read_as_such() -> None:
    tensor = nn.Parameter(torch.randn(3, 4).bfloat16())
    array = ParameterValues(tensor).load()
    assert array.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(array.astype(np.float32), tensor.detach().float().numpy())
    assert ParameterValues(tensor, transposed=True).load().shape == (4, 3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_new_parameters_are_like_those_they_were_made_of(dtype: torch.dtype) -> None:
    module = SmallNet().eval().to(dtype)
    module.second.weight.requires_grad_(False)
    graph = trace(module, images().to(dtype))
    for node in nodes_of(graph, "Conv"):
        replace_constant(graph, node, 1, values_of(node, 1)[::-1])
    again = materialise(graph)
    assert again.second.weight is not module.second.weight
    assert {p.dtype for p in again.parameters()} == {dtype}
    assert not again.second.weight.requires_grad
    assert again.features[0].weight.requires_grad


def test_channels_last_weights_stay_so() -> None:
    module = SmallNet().eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    graph = trace(module, images().to(memory_format=torch.channels_last))
    node = nodes_of(graph, "Conv")[1]
    replace_constant(graph, node, 1, values_of(node, 1) * np.float32(2))
    weight = materialise(graph).second.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(weight, module.second.weight * 2)


def test_a_change_of_type_rebinds_the_data_and_needs_a_new_trace() -> None:
    module = copy.deepcopy(SmallNet().eval())
    graph = trace(module, images())
    module.double()
    again = materialise(graph)
    assert again(images().double()).dtype == torch.float64

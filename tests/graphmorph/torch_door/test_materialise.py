"""Edited graphs become modules: what was edited is new, of the same class and settings; everything else is the same."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import pytest
import torch
from torch import nn

from graphmorph.errors import MaterialiseError
from graphmorph.graph import Graph
from graphmorph.torch_door import materialise, trace
from tests.graphmorph.torch_door.edits import insert_behind, node_of, nodes_of, replace_constant, values_of
from tests.graphmorph.torch_door.identity_law import assert_same_state, run, same
from tests.graphmorph.torch_door.programs import SmallNet, images, program, rows


def inserted(graph: Graph, name: str) -> None:
    """An identity convolution and a ReLU behind the second ReLU's pooling."""
    kernel = np.zeros((8, 8, 1, 1), np.float32)
    kernel[range(8), range(8)] = 1
    weight, bias = gs.Constant(f"{name}_w", kernel), gs.Constant(f"{name}_b", np.zeros(8, np.float32))
    chain = [("Conv", f"{name}.conv", {"kernel_shape": [1, 1]}, [weight, bias]), ("Relu", f"{name}.relu", {}, [])]
    insert_behind(graph, node_of(graph, "features.3").outputs[0], chain)


def test_new_modules_have_readable_paths_and_train() -> None:
    module = SmallNet().eval()
    graph = trace(module, images())
    inserted(graph, "features.extra")
    again = materialise(graph)
    same(again(images()), module(images()))
    assert isinstance(again.features.extra.conv, nn.Conv2d)
    assert isinstance(again.get_submodule("features.extra.relu"), nn.ReLU)
    assert set(again.state_dict()) - set(module.state_dict()) == {
        "features.extra.conv.weight",
        "features.extra.conv.bias",
    }
    assert again.second is module.second
    again.train()
    optimizer = torch.optim.SGD(again.parameters(), 0.1)
    again(images()).square().sum().backward()
    optimizer.step()
    assert all(parameter.grad is not None for parameter in again.parameters())
    assert again.features.extra.conv.weight.grad.abs().sum() > 0
    assert not hasattr(module.features, "extra")


def test_new_modules_are_in_the_mode_of_the_module() -> None:
    for mode in (True, False):
        graph = trace(SmallNet().train(mode), images())
        inserted(graph, "extra")
        again = materialise(graph)
        assert {m.training for m in again.modules()} == {mode}


def masked(module: SmallNet, kept: np.ndarray) -> nn.Module:
    """The module with the other channels of its first convolution unread."""
    reference = copy.deepcopy(module)
    mask = torch.zeros(8)
    mask[kept] = 1
    with torch.no_grad():
        reference.second.weight.mul_(mask[None, :, None, None])
    return reference


@pytest.mark.parametrize("train", [False, True])
def test_pruned_channels(train: bool) -> None:
    module = SmallNet().train(train)
    norm = module.features[1]
    norm.num_batches_tracked.add_(7)
    module.drop.p = 0.0
    kept = np.array([0, 2, 5, 7])
    reference = masked(module, kept)
    graph = trace(module, images())
    conv, norm_node, second = (
        nodes_of(graph, "Conv")[0],
        nodes_of(graph, "BatchNormalization")[0],
        node_of(graph, "second"),
    )
    for node, axis, places in ((conv, 0, (1, 2)), (norm_node, 0, (1, 2, 3, 4)), (second, 1, (1,))):
        for place in places:
            replace_constant(graph, node, place, np.take(values_of(node, place), kept, axis))
    again = materialise(graph)
    assert list(again.state_dict()) == list(module.state_dict())
    new = again.features[1]
    assert (new.momentum, new.eps, new.num_features) == (norm.momentum, norm.eps, 4)
    assert int(new.num_batches_tracked) == 7
    assert new.training == train
    assert (again.features[0].out_channels, again.second.in_channels) == (4, 8 - 4)
    assert again.features[2] is module.features[2]
    assert again.head["fc"] is module.head["fc"]
    torch.testing.assert_close(again(images()), reference(images()))
    if train:
        torch.testing.assert_close(new.running_mean, reference.features[1].running_mean[kept])
        again(images()).sum().backward()
        assert again.features[0].weight.grad.shape == (4, 4, 3, 3)


@pytest.fixture
def twice() -> nn.Module:
    torch.manual_seed(0)
    return program(lambda m, x: m.layer(m.act(m.layer(x))), layer=nn.Linear(6, 6), act=nn.ReLU())


@pytest.mark.parametrize("site", [0, 1])
def test_one_of_two_calls_gets_its_own_module(twice: nn.Module, site: int) -> None:
    graph = trace(twice, rows())
    gemm = nodes_of(graph, "Gemm")[site]
    replace_constant(graph, gemm, 1, values_of(gemm, 1) * np.float32(2))
    again = materialise(graph)
    double = copy.deepcopy(twice.layer)
    with torch.no_grad():
        double.weight.mul_(2)
    first, second = (double, twice.layer) if site == 0 else (twice.layer, double)
    torch.testing.assert_close(again(rows()), second(twice.act(first(rows()))))
    assert again.layer is twice.layer
    assert list(again.state_dict()) == ["layer.weight", "layer.bias", "layer_2.weight", "layer_2.bias"]


@pytest.mark.parametrize("copied", [False, True])
def test_two_calls_with_the_same_new_weights_share_a_module(twice: nn.Module, copied: bool) -> None:
    graph = trace(twice, rows())
    first, second = nodes_of(graph, "Gemm")
    second.inputs[1] = replace_constant(graph, first, 1, values_of(first, 1) * np.float32(2))
    again = materialise(graph.copy() if copied else graph)
    assert list(again.state_dict()) == list(twice.state_dict())
    calls = [node.target for node in again.graph.nodes if node.op == "call_module"]
    assert calls == ["layer", "act", "layer"]
    again(rows()).sum().backward()
    assert again.layer.weight.grad is not None
    assert again.layer.bias is twice.layer.bias


def around_opaque(m: Any, x: Any) -> Any:
    y = torch.fft.fft2(m.norm(m.conv(x))).abs()
    m.count.add_(y.mean((0, 2, 3)).detach())
    return torch.relu_(y.sort(-1).values) + m.count.view(-1, 1, 1)


def test_edits_before_and_behind_opaque_nodes() -> None:
    module = program(around_opaque, conv=nn.Conv2d(4, 4, 1), norm=nn.BatchNorm2d(4))
    module.register_buffer("count", torch.zeros(4))
    reference = copy.deepcopy(module)
    with torch.no_grad():
        reference.conv.weight.mul_(2)
    expected = torch.tanh(reference(images()))
    graph = trace(module, images())
    conv = node_of(graph, "conv")
    replace_constant(graph, conv, 1, values_of(conv, 1) * np.float32(2))
    insert_behind(graph, graph.outputs[0], [("Tanh", "squashed", {}, [])])
    again = materialise(graph.cleanup())
    same(again(images()), expected)
    same(module.count, reference.count)
    assert again.norm is module.norm


def test_an_opaque_node_that_was_changed_is_refused_with_its_reason() -> None:
    module = program(lambda m, x: torch.fft.fft2(m.conv(x)).abs(), conv=nn.Conv2d(4, 4, 1))
    graph = trace(module, images())
    opaque = next(node for node in graph.nodes if node.op == "Opaque")
    opaque.attrs["reason"] = "changed"
    with pytest.raises(MaterialiseError, match=r"fft_fft2.*opaque"):
        materialise(graph)


@pytest.mark.parametrize("copied", [False, True])
def test_copies_of_a_graph_are_edited_apart(copied: bool) -> None:
    module = SmallNet().eval()
    graph = trace(module, images())
    other = graph.copy()
    inserted(other if copied else graph, "extra")
    untouched = graph if copied else other
    assert_same_state(module, materialise(untouched))
    assert hasattr(materialise(other if copied else graph), "extra")
    assert_same_state(module, materialise(untouched.copy()))


def test_a_graph_can_be_materialised_again_and_again() -> None:
    module = SmallNet().eval()
    graph = trace(module, images())
    first = materialise(graph)
    inserted(graph, "extra")
    second = materialise(graph)
    assert not hasattr(first, "extra")
    assert_same_state(module, first)
    same(second(images()), first(images()))


def test_outputs_keep_their_structure_when_they_are_renamed() -> None:
    module = program(lambda m, x: {"a": m.layer(x), "b": [x, (m.layer(x) * 2, 3)]}, layer=nn.Linear(6, 6))
    graph = trace(module, rows())
    insert_behind(graph, node_of(graph, "layer").outputs[0], [("Neg", "negated", {}, [])])
    got, expected = run(materialise(graph), (rows(),), 0)[0], run(module, (rows(),), 0)[0]
    same(got["a"], -expected["a"])
    same(got["b"][1][0], expected["b"][1][0])
    assert got["b"][1][1] == 3


def test_a_weight_that_is_read_beside_a_new_layer_of_its_name_moves() -> None:
    """The product of a Linear becomes a layer of the old name; its bias, added later, is read on its own."""
    module = program(lambda m, x: m.layer(x), layer=nn.Linear(6, 3))
    x = torch.randn(2, 5, 6)
    graph = trace(module, x)
    product = nodes_of(graph, "MatMul")[0]
    half = gs.Constant("half", np.asarray(0.5, np.float32))
    insert_behind(graph, product.outputs[0], [("Mul", "halved", {}, [half])])
    again = materialise(graph)
    torch.testing.assert_close(again(x), nn.functional.linear(x, module.layer.weight / 2, module.layer.bias))
    assert any(parameter is module.layer.bias for parameter in again.parameters())
    assert again.layer.weight is module.layer.weight


@pytest.mark.parametrize("name", ["layer", "scale", "plain", "forward", "graph", "x"])
def test_new_tensors_never_take_the_place_of_others(name: str) -> None:
    module = program(
        lambda m, x: m.layer(x) * m.scale, layer=nn.Linear(6, 6), scale=nn.Parameter(torch.ones(6)), plain=3
    )
    graph = trace(module, rows())
    added = gs.Constant(name, np.full(6, 2, np.float32))
    insert_behind(graph, node_of(graph, "layer").outputs[0], [("Mul", "doubled", {}, [added])])
    again = materialise(graph)
    torch.testing.assert_close(again(rows()), module(rows()) * 2)
    assert again.plain == 3
    assert set(module.state_dict()) <= set(again.state_dict())
    again(rows()).sum().backward()
    new = set(again.state_dict()) - set(module.state_dict())
    assert len(new) == 1
    assert again.get_parameter(new.pop()).grad is not None


def test_an_unknown_operator_is_named() -> None:
    graph = trace(SmallNet().eval(), images())
    insert_behind(graph, node_of(graph, "second").outputs[0], [("NoSuchOperator", "strange", {}, [])])
    with pytest.raises(MaterialiseError, match=r"strange.*NoSuchOperator|NoSuchOperator.*strange"):
        materialise(graph)


def test_a_graph_with_fewer_outputs_is_refused() -> None:
    module = program(lambda m, x: (x * 2, x + 1))
    graph = trace(module, rows())
    graph.outputs.pop()
    with pytest.raises(MaterialiseError, match="outputs"):
        materialise(graph)

"""Norms, tensors that the program reads by itself, and layers called as functions: names and modes stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.graph import Graph
from graphmorph.torch_door import materialise, trace
from tests.graphmorph.torch_door.cutting import check_cut, cut_graph, replace, settle_sizes, take, targets, trains
from tests.graphmorph.torch_door.edits import node_of, nodes_of
from tests.graphmorph.torch_door.programs import images, program
from tests.graphmorph.torch_door.test_resized_attention import randomised
from tests.graphmorph.torch_door.test_resized_layers import KEPT, cut_conv

HALF = [0, 1, 4, 5]


def tokens(batch: int = 2, length: int = 5) -> torch.Tensor:
    """(batch, length, 6)"""
    return torch.randn(batch, length, 6, generator=torch.Generator().manual_seed(1))


def between_linear(function: Any, **parts: Any) -> nn.Module:
    """Something between two linear layers of 8 features."""
    layers = {"first": nn.Linear(6, 8), "last": nn.Linear(8, 3)}
    return randomised(program(lambda m, x: m.last(function(m, m.first(x))), **layers, **parts))


def cut_linear(graph: Graph, kept: list[int] = KEPT) -> None:
    take(graph, "first", 1, 1, kept)
    take(graph, "first_add", 1, 0, kept)
    take(graph, "last", 1, 0, kept)


@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm(affine: bool) -> None:
    """Its statistics run over what is left, as ONNX says."""
    module = between_linear(lambda m, x: m.norm(x), norm=nn.LayerNorm(8, eps=1e-3, elementwise_affine=affine))

    def cut(graph: Graph) -> None:
        cut_linear(graph)
        for index in range(1, len(node_of(graph, "norm").inputs)):
            take(graph, "norm", index, 0, KEPT)

    again = check_cut(module, cut, (tokens(),), (tokens(1, 9),))
    assert type(again.norm) is nn.LayerNorm
    assert (again.norm.normalized_shape, again.norm.eps) == ((4,), 1e-3)
    assert module.norm.normalized_shape == (8,)
    trains(again, tokens())


def test_layer_norm_and_rms_norm_as_functions() -> None:
    module = between_linear(
        lambda m, x: F.rms_norm(F.layer_norm(F.layer_norm(x, (8,)), (x.shape[-1],), m.scale, m.shift), [8], m.rms),
        scale=nn.Parameter(torch.ones(8)),
        shift=nn.Parameter(torch.ones(8)),
        rms=nn.Parameter(torch.ones(8)),
    )

    def cut(graph: Graph) -> None:
        cut_linear(graph)
        for node in nodes_of(graph, "LayerNormalization"):
            for index in range(1, len(node.inputs)):
                take(graph, node.name, index, 0, KEPT)
        take(graph, nodes_of(graph, "Mul")[-1].name, 1, 0, KEPT)

    again = check_cut(module, cut, (tokens(),), (tokens(1, 9),))
    assert targets(again).count("layer_norm") == 2
    assert isinstance(again.scale, nn.Parameter)
    trains(again, tokens())


def grouped(norm: Any) -> nn.Module:
    return randomised(
        program(
            lambda m, x: m.last(norm(m, m.first(x))),
            first=nn.Conv2d(4, 8, 1),
            norm=nn.GroupNorm(2, 8),
            last=nn.Conv2d(8, 3, 1),
        )
    )


NORMS = {
    "module": lambda m, x: m.norm(x),
    "function": lambda m, x: F.group_norm(x, 2, m.norm.weight, m.norm.bias),
}


@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize(("kept", "groups"), [(HALF, 2), ([4, 5, 6, 7], 1)])
def test_group_norm(kind: str, kept: list[int], groups: int) -> None:
    """Elements of every group go, or a whole group."""

    def cut(graph: Graph) -> None:
        cut_conv(graph, "first", kept)
        apart, back = nodes_of(graph, "Reshape")
        replace(graph, apart, 1, np.asarray([0, groups, -1]))
        sizes = back.inputs[1].values
        replace(graph, back, 1, np.asarray([0, len(kept), *sizes[2:]]))
        norm = nodes_of(graph, "InstanceNormalization")[0]
        for index in (1, 2):
            take(graph, norm.name, index, 0, range(groups))
        for node in nodes_of(graph, "Unsqueeze"):
            take(graph, node.name, 0, 0, kept)
        take(graph, "last", 1, 1, kept)

    again = check_cut(grouped(NORMS[kind]), cut, (images(),), (images(2, size=5),))
    if kind == "module":
        assert type(again.norm) is nn.GroupNorm
        assert (again.norm.num_groups, again.norm.num_channels) == (groups, 4)
    else:
        assert "group_norm" in targets(again)
    trains(again, images())


@pytest.mark.parametrize("affine", [True, False])
def test_instance_norm(affine: bool) -> None:
    module = grouped(NORMS["module"])
    module.norm = nn.InstanceNorm2d(8, affine=affine).eval()
    if affine:
        randomised(module.norm)

    def cut(graph: Graph) -> None:
        cut_conv(graph, "first")
        for index in (1, 2):
            take(graph, "norm", index, 0, KEPT)
        take(graph, "last", 1, 1, KEPT)

    again = check_cut(module, cut, (images(),), (images(2, size=5),))
    assert again.norm.num_features == 4
    trains(again, images())  # without a warning


class Layered(nn.Module):
    """Layers of the user's own classes, which are traced through to functions; a token, positions, a scale."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.embed = Mine(6, 8)
        self.positions = nn.Parameter(torch.zeros(1, 6, 8))
        self.scale = nn.ParameterDict({"gamma": nn.Parameter(torch.ones(8))})
        self.register_buffer("shift", torch.arange(8.0))
        self.register_buffer("hidden", torch.arange(8.0), persistent=False)
        self.norm = MyNorm(8)
        self.head = Mine(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        x = x * self.scale["gamma"] + self.shift - self.hidden
        result: torch.Tensor = self.head(self.norm(x))
        return result


class Mine(nn.Linear):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return F.linear(input, self.weight, self.bias)


class MyNorm(nn.LayerNorm):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


def test_what_the_program_reads_by_itself_keeps_its_names() -> None:
    module = randomised(Layered())
    cut_names = {"embed": 0, "token": 2, "positions": 2, "scale": 0, "shift": 0, "hidden": 0, "norm": 0}

    def cut(graph: Graph) -> None:
        for node in graph.nodes:
            for index, tensor in enumerate(node.inputs):
                known = graph.traced.parameters.get(tensor.name)
                if known is None:
                    continue
                path = graph.traced.paths[id(known.source)]
                axis = 1 if path == "head.weight" else cut_names.get(path.partition(".")[0])
                if axis is None or path == "head.bias":
                    continue
                take(graph, node.name, index, len(tensor.shape) - 1 - axis if known.transposed else axis, KEPT)

    again = check_cut(module, cut, (tokens(),))
    assert {"linear", "layer_norm"} <= set(targets(again))
    assert dict(again.named_buffers())["hidden"].shape == (4,)
    assert not any(isinstance(p, nn.Parameter) for p in (again.shift, again.hidden))
    assert {name: p.shape[-1] for name, p in again.named_parameters()}["token"] == 4
    assert not {id(p) for p in again.parameters()} & {id(p) for p in module.parameters() if p.shape != (3,)}
    trains(again, tokens())


def test_functional_convolutions_and_batch_norm() -> None:
    def forward(m: Any, x: Any) -> Any:
        x = F.conv2d(F.conv2d(x, m.a), m.b, m.c, 1, 1, 1, 8)
        x = F.batch_norm(x, m.norm.running_mean, m.norm.running_var, m.norm.weight, m.norm.bias)
        return F.conv2d(x, m.d, torch.relu(m.e), stride=2)

    shapes = {"a": (8, 4, 1, 1), "b": (8, 1, 3, 3), "c": (8,), "d": (3, 8, 3, 3), "e": (3,)}
    parts = {name: nn.Parameter(torch.ones(shape)) for name, shape in shapes.items()}
    module = randomised(program(forward, norm=nn.BatchNorm2d(8), **parts))
    module.norm.running_mean.normal_()

    def cut(graph: Graph) -> None:
        first, second, last = nodes_of(graph, "Conv")
        take(graph, first.name, 1, 0, KEPT)
        take(graph, second.name, 1, 0, KEPT)
        take(graph, second.name, 2, 0, KEPT)
        second.attrs = {**second.attrs, "group": 4}
        take(graph, last.name, 1, 1, KEPT)
        for index in range(1, 5):
            take(graph, nodes_of(graph, "BatchNormalization")[0].name, index, 0, KEPT)

    again = check_cut(module, cut, (images(),), (images(1, size=7),))
    assert targets(again).count("conv2d") == 3
    assert again.norm.running_mean.shape == (4,)
    assert not isinstance(again.norm.running_mean, nn.Parameter)


def test_a_weight_that_is_standardised_by_the_program() -> None:
    """The weight is cut where the program begins with it: everything computed from it follows."""

    def forward(m: Any, x: Any) -> Any:
        flat = m.weight.reshape(1, 8, -1)
        weight = F.batch_norm(flat, None, None, m.gain.view(-1), training=True, momentum=0.0).reshape_as(m.weight)
        return m.last(F.conv2d(x, weight, m.bias))

    module = randomised(
        program(
            forward,
            weight=nn.Parameter(torch.ones(8, 4, 3, 3)),
            gain=nn.Parameter(torch.ones(8, 1, 1, 1)),
            bias=nn.Parameter(torch.ones(8)),
            last=nn.Conv2d(8, 3, 1),
        )
    )

    def cut(graph: Graph) -> None:
        for node in graph.nodes:
            for index, tensor in enumerate(node.inputs):
                if tensor.name in ("weight", "gain", "bias"):
                    take(graph, node.name, index, 0, KEPT)
        flat, gain, back = nodes_of(graph, "Reshape")
        replace(graph, flat, 1, np.asarray([1, 4, 36]))
        replace(graph, gain, 1, np.asarray([4]))
        replace(graph, back, 1, np.asarray([4, 4, 3, 3]))
        norm = nodes_of(graph, "BatchNormalization")[0]
        for index, tensor in enumerate(norm.inputs[1:], start=1):
            if hasattr(tensor, "values"):
                take(graph, norm.name, index, 0, KEPT)
        take(graph, "last", 1, 1, KEPT)

    graph = trace(module, (images(),))
    cut(graph)
    graph.resized |= {"reshape": (1, 4, 36), "view": (4,), "batch_norm": (1, 4, 36), "reshape_as": (4, 4, 3, 3)}
    graph.resized["conv2d"] = ("batch", 4, 6, 6)
    again = materialise(graph)
    assert list(again.state_dict()) == list(module.state_dict())
    kept = torch.tensor(KEPT)
    flat = module.weight[kept].reshape(1, 4, -1)
    weight = F.batch_norm(flat, None, None, module.gain[kept].view(-1), training=True, momentum=0.0)
    features = F.conv2d(images(5, size=9), weight.reshape(4, 4, 3, 3), module.bias[kept])
    expected = F.conv2d(features, module.last.weight[:, kept], module.last.bias)
    torch.testing.assert_close(again(images(5, size=9)), expected)


@pytest.mark.parametrize("alike", [True, False])
def test_a_tied_weight_stays_tied_where_it_is_cut_alike(alike: bool) -> None:
    module = randomised(program(lambda m, x: m.head(m.table(x)), table=nn.Embedding(9, 8)))
    module.head = nn.Linear(8, 9, bias=False)
    module.head.weight = module.table.weight
    module.eval()

    def cut(graph: Graph) -> None:
        take(graph, "table", 0, 1, KEPT)
        take(graph, "head", 1, 0, KEPT if alike else KEPT[::-1])

    inputs = (torch.tensor([[1, 5, 0], [2, 3, 8]]),)
    again = check_cut(module, cut, inputs, batch=False)
    assert (again.head.weight is again.table.weight) == alike


def test_a_module_called_twice_and_cut_once() -> None:
    module = between_linear(lambda m, x: m.norm(torch.relu(m.more(m.norm(x)))), norm=nn.LayerNorm(8))
    module.more = nn.Linear(8, 8).eval()

    def cut(graph: Graph) -> None:
        take(graph, "first", 1, 1, KEPT)
        take(graph, "first_add", 1, 0, KEPT)
        first = nodes_of(graph, "LayerNormalization")[0]
        for index in (1, 2):
            take(graph, first.name, index, 0, KEPT)
        take(graph, "more", 1, 0, KEPT)

    again = check_cut(module, cut, (tokens(),), names=False)
    assert again.norm is module.norm
    assert again.norm_2.normalized_shape == (4,)


def test_a_copied_graph_knows_its_sizes() -> None:
    module = between_linear(lambda m, x: m.norm(x), norm=nn.LayerNorm(8))
    graph = trace(module, (tokens(),))
    cut_linear(graph)
    for index in (1, 2):
        take(graph, "norm", index, 0, KEPT)
    settle_sizes(graph, (tokens(),))
    assert graph.copy().resized == graph.resized
    torch.testing.assert_close(materialise(graph.copy())(tokens()), materialise(graph)(tokens()))
    assert cut_graph(module, lambda graph: None, (tokens(),)).resized == {}

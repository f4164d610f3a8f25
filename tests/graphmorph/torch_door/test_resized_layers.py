"""Layers whose channels were removed are layers of the same class at the same path, in any batch and space."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.graph import Graph
from graphmorph.models.randomise import randomise
from graphmorph.torch_door import materialise, trace
from tests.graphmorph.torch_door.cutting import check_cut, cut_graph, take, targets, trains, tripled, write
from tests.graphmorph.torch_door.edits import node_of, nodes_of
from tests.graphmorph.torch_door.programs import images, program, rows

KEPT = [0, 2, 3, 7]


def drawn(function: Any, x: torch.Tensor, **parts: Any) -> nn.Module:
    """A module with statistics and parameters of its own."""
    torch.manual_seed(0)
    return randomise(program(function, **parts), 0, x).eval()


def cut_conv(graph: Graph, name: str, kept: list[int] = KEPT) -> None:
    take(graph, name, 1, 0, kept)
    take(graph, name, 2, 0, kept)


def cut_norm(graph: Graph, name: str, kept: list[int] = KEPT) -> None:
    for index in range(1, 5):
        take(graph, name, index, 0, kept)


@pytest.fixture
def plain() -> nn.Module:
    return drawn(
        lambda m, x: m.second(m.act(m.norm(m.first(x)))),
        images(),
        first=nn.Conv2d(4, 8, 3, padding=1),
        norm=nn.BatchNorm2d(8, momentum=0.3),
        act=nn.ReLU(inplace=True),
        second=nn.Conv2d(8, 5, 3),
    )


def cut_plain(graph: Graph) -> None:
    cut_conv(graph, "first")
    cut_norm(graph, "norm")
    take(graph, "second", 1, 1, KEPT)


def test_convolutions_and_batch_norm(plain: nn.Module) -> None:
    plain.first.weight.requires_grad_(False)
    again = check_cut(plain, cut_plain, (images(),), (images(2, size=11),))
    assert [type(again.get_submodule(n)) for n in ("first", "norm", "second")] == [
        nn.Conv2d,
        nn.BatchNorm2d,
        nn.Conv2d,
    ]
    assert (again.first.out_channels, again.norm.num_features, again.second.in_channels) == (4, 4, 4)
    assert again.norm.momentum == 0.3
    assert not again.first.weight.requires_grad
    assert again.first.bias.requires_grad
    assert again.act is plain.act
    trains(again, images())


def test_in_training_mode_the_batch_counts(plain: nn.Module) -> None:
    reference = copy.deepcopy(plain).train()
    with torch.no_grad():
        reference.second.weight[:, [1, 4, 5, 6]] = 0
    again = materialise(cut_graph(plain.train(), cut_plain, (images(),)))
    torch.testing.assert_close(again(images()), reference(images()))
    torch.testing.assert_close(again.norm.running_var, reference.norm.running_var[KEPT])
    assert int(again.norm.num_batches_tracked) == int(reference.norm.num_batches_tracked)
    again.eval(), reference.eval()
    torch.testing.assert_close(again(tripled((images(),))[0]), reference(tripled((images(),))[0]))


def test_depthwise_and_grouped_convolutions() -> None:
    module = drawn(
        lambda m, x: m.last(m.grouped(m.depthwise(m.first(x)))),
        images(),
        first=nn.Conv2d(4, 8, 1),
        depthwise=nn.Conv2d(8, 8, 3, groups=8, padding="same", padding_mode="reflect"),
        grouped=nn.Conv2d(8, 6, 3, groups=2),
        last=nn.Conv2d(6, 3, 1),
    )

    def cut(graph: Graph) -> None:
        kept = [0, 2, 5, 6]
        cut_conv(graph, "first", kept)
        convolution = nodes_of(graph, "Conv")[1]
        cut_conv(graph, convolution.name, kept)
        convolution.attrs = {**convolution.attrs, "group": 4}
        weight = node_of(graph, "grouped").inputs[1]
        take(graph, "grouped", 1, 0, range(6))
        cut_rows = torch.from_numpy(weight.values.copy())
        both = torch.cat([cut_rows[:3, [0, 2]], cut_rows[3:, [1, 2]]])
        node_of(graph, "grouped").inputs[1].values = both.numpy()

    again = check_cut(module, cut, (images(),), (images(2, size=12),))
    assert (again.depthwise.groups, again.depthwise.in_channels, again.grouped.in_channels) == (4, 4, 4)
    assert (again.depthwise.padding, again.depthwise.padding_mode) == ("same", "reflect")
    trains(again, images())


def test_flatten_before_a_linear_layer() -> None:
    module = drawn(
        lambda m, x: m.head(m.flat(m.pool(m.first(x)))),
        images(),
        first=nn.Conv2d(4, 8, 3),
        pool=nn.AdaptiveAvgPool2d(2),
        flat=nn.Flatten(),
        head=nn.Linear(32, 5),
    )

    def cut(graph: Graph) -> None:
        cut_conv(graph, "first")
        take(graph, "head", 1, 1, [4 * c + i for c in KEPT for i in range(4)])

    again = check_cut(module, cut, (images(),), (images(2, size=10),))
    assert (again.head.in_features, again.flat, again.pool) == (16, module.flat, module.pool)


def test_a_view_that_lets_torch_find_the_channels() -> None:
    parts = {"first": nn.Conv2d(4, 8, 3, 2), "head": nn.Linear(8 * 9, 5)}
    module = drawn(lambda m, x: m.head(m.first(x).view(x.size(0), -1)), images(), **parts)

    def cut(graph: Graph) -> None:
        cut_conv(graph, "first")
        take(graph, "head", 1, 1, [9 * c + i for c in KEPT for i in range(9)])
        write(graph, "view", 1, 1, 36)

    again = check_cut(module, cut, (images(),))
    assert targets(again) == ["first", "size", "reshape", "head"]


def test_squeeze_and_excite() -> None:
    module = drawn(
        lambda m, x: m.last((y := m.first(x)) * m.up(torch.relu(m.down(y.mean((2, 3), keepdim=True)))).sigmoid()),
        images(),
        first=nn.Conv2d(4, 8, 3),
        down=nn.Conv2d(8, 3, 1),
        up=nn.Conv2d(3, 8, 1),
        last=nn.Conv2d(8, 3, 1),
    )

    def cut(graph: Graph) -> None:
        cut_conv(graph, "first")
        take(graph, "down", 1, 1, KEPT)
        cut_conv(graph, "up")
        take(graph, "last", 1, 1, KEPT)

    trains(check_cut(module, cut, (images(),), (images(1, size=13),)), images())


def test_chunks_and_concatenation() -> None:
    parts = {"first": nn.Conv2d(4, 8, 1), "last": nn.Conv2d(12, 3, 1)}
    module = drawn(lambda m, x: m.last(torch.cat([*m.first(x).chunk(2, 1)[::-1], x], 1)), images(), **parts)

    def cut(kept: list[int], half: int) -> Any:
        def edit(graph: Graph) -> None:
            cut_conv(graph, "first", kept)
            split = node_of(graph, "chunk")
            if 2 * half != len(kept):
                split.attrs.pop("num_outputs")
                split.inputs.append(gs.Constant("sizes", np.asarray([half, len(kept) - half])))
            second = [4 + c for c in kept if c < 4]
            take(graph, "last", 1, 1, [c - 4 for c in kept if c >= 4] + second + [8, 9, 10, 11])

        return edit

    even = check_cut(module, cut([0, 2, 5, 7], 2), (images(),), (images(2, size=9),))
    assert "chunk" in targets(even)
    uneven = check_cut(module, cut([0, 2, 3, 7], 3), (images(),), (images(2, size=9),))
    assert "split" in targets(uneven)


def test_a_pixel_shuffle() -> None:
    module = drawn(
        lambda m, x: m.last(m.shuffle(m.first(x))),
        images(),
        first=nn.Conv2d(4, 16, 1),
        shuffle=nn.PixelShuffle(2),
        last=nn.Conv2d(4, 3, 1),
    )

    def cut(graph: Graph) -> None:
        cut_conv(graph, "first", [0, 1, 2, 3, 8, 9, 10, 11])
        take(graph, "last", 1, 1, [0, 2])

    again = check_cut(module, cut, (images(),), (images(2, size=5),))
    assert again.shuffle is module.shuffle


def test_adaptive_pooling_stays_adaptive() -> None:
    parts = {"first": nn.Conv2d(4, 8, 1), "last": nn.Conv2d(8, 3, 1)}
    module = drawn(lambda m, x: m.last(F.adaptive_avg_pool2d(m.first(x), 4)), images(), **parts)

    def cut(graph: Graph) -> None:
        cut_conv(graph, "first")
        take(graph, "last", 1, 1, KEPT)

    again = check_cut(module, cut, (images(),), (images(2, size=16),))
    assert again(images(1, size=7)).shape == (1, 3, 4, 4)
    assert "adaptive_avg_pool2d" in targets(again)


def test_an_opaque_layer_stays() -> None:
    module = program(
        lambda m, x: m.lstm(m.second(torch.relu(m.first(x))))[0],
        first=nn.Linear(6, 8),
        second=nn.Linear(8, 6),
        lstm=nn.LSTM(6, 5, batch_first=True),
    )
    x = torch.randn(2, 7, 6)
    reference = copy.deepcopy(module)
    with torch.no_grad():
        reference.second.weight[:, [1, 4, 5, 6]] = 0
    graph = trace(module, (x,))
    take(graph, "first", 1, 1, KEPT)
    take(graph, "first_add", 1, 0, KEPT)
    take(graph, "second", 1, 0, KEPT)
    for node in graph.nodes[:3]:
        graph.resized[node.outputs[0].name] = ("batch", 7, 4)
    again = materialise(graph)
    assert again.lstm is module.lstm
    assert (again.first.out_features, again.second.in_features) == (4, 4)
    assert list(again.state_dict()) == list(module.state_dict())
    torch.testing.assert_close(again(torch.cat([x, -x])), reference(torch.cat([x, -x])))


def test_an_embedding() -> None:
    module = program(lambda m, x: m.head(m.table(x)), table=nn.Embedding(9, 8, padding_idx=0), head=nn.Linear(8, 3))

    def cut(graph: Graph) -> None:
        take(graph, "table", 0, 1, KEPT)
        take(graph, "head", 1, 0, KEPT)

    again = check_cut(module, cut, (torch.tensor([[1, 5, 0], [2, 3, 8]]),), (torch.tensor([[4]]),), batch=False)
    assert (again.table.embedding_dim, again.table.padding_idx) == (4, 0)


def test_a_softmax_over_channels_and_slopes() -> None:
    module = drawn(
        lambda m, x: m.last(m.soft(m.slopes(m.first(x)))),
        images(),
        first=nn.Conv2d(4, 8, 1),
        slopes=nn.PReLU(8),
        soft=nn.Softmax2d(),
        last=nn.Conv2d(8, 3, 1),
    )

    def cut(graph: Graph) -> None:
        cut_conv(graph, "first")
        slopes = nodes_of(graph, "Unsqueeze")
        take(graph, slopes[0].name if slopes else "slopes", 0 if slopes else 1, 0, KEPT)
        take(graph, "last", 1, 1, KEPT)

    again = check_cut(module, cut, (images(),), (images(1, size=5),))
    assert (again.slopes.num_parameters, again.soft) == (4, module.soft)


def test_rows_are_the_batch() -> None:
    parts = {"first": nn.Linear(6, 8), "norm": nn.BatchNorm1d(8), "last": nn.Linear(8, 3)}
    module = drawn(lambda m, x: m.last(m.norm(m.first(x))), rows(), **parts)

    def cut(graph: Graph) -> None:
        cut_conv(graph, "first")
        cut_norm(graph, "norm")
        take(graph, "last", 1, 1, KEPT)

    trains(check_cut(module, cut, (rows(),)), rows())


def test_names_that_are_no_identifiers() -> None:
    module = drawn(
        lambda m, x: m.layers(x),
        images(),
        layers=nn.Sequential(OrderedDict({"conv-1": nn.Conv2d(4, 8, 1), "conv-2": nn.Conv2d(8, 3, 1)})),
    )

    def cut(graph: Graph) -> None:
        cut_conv(graph, "layers.conv-1")
        take(graph, "layers.conv-2", 1, 1, KEPT)

    check_cut(module, cut, (images(),))

"""Adaptive pooling: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.graphmorph.torch_door.calling import check_call, operators, refused, specialised
from tests.graphmorph.torch_door.rules.test_layer_norm import drawn

SIZES = {1: (2, 3, 12), 2: (2, 3, 12, 8), 3: (2, 3, 6, 4, 8)}


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize(("name", "kind"), [("Avg", "Average"), ("Max", "Max")])
def test_one_value_is_a_global_pool(dimensions, name, kind):
    layer = getattr(nn, f"Adaptive{name}Pool{dimensions}d")(1)
    graph = check_call(layer, drawn(*SIZES[dimensions]))
    assert operators(graph) == [f"Global{kind}Pool"]
    assert not specialised(graph)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize(("name", "kind"), [("Avg", "Average"), ("Max", "Max")])
def test_divisible_sizes_are_windows_of_the_traced_size(dimensions, name, kind):
    layer = getattr(nn, f"Adaptive{name}Pool{dimensions}d")(2)
    graph = check_call(layer, drawn(*SIZES[dimensions]))
    assert operators(graph) == [f"{kind}Pool"]
    assert specialised(graph)


@pytest.mark.parametrize("layer", [nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d])
def test_none_leaves_an_axis_as_it_is(layer):
    whole = check_call(layer((None, None)), drawn(*SIZES[2]))
    assert operators(whole) == []
    mixed = check_call(layer((1, None)), drawn(*SIZES[2]))
    assert operators(mixed)[0].startswith("Reduce")
    assert not specialised(whole)
    assert not specialised(mixed)
    assert specialised(check_call(layer((None, 2)), drawn(*SIZES[2])))


def test_the_traced_size_is_itself():
    graph = check_call(lambda x: F.adaptive_avg_pool2d(x, (12, 8)), drawn(*SIZES[2]))
    assert operators(graph) == []
    assert specialised(graph)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.adaptive_avg_pool2d(x, 1),
        lambda x: F.adaptive_avg_pool2d(x, output_size=[6, 1]),
        lambda x: F.adaptive_max_pool2d(x, (3, 4)),
        lambda x: F.adaptive_max_pool2d(x, output_size=1),
        lambda x: torch.adaptive_avg_pool1d(x.flatten(2), 4),
        lambda x: F.adaptive_max_pool1d(x.flatten(2), 1),
        lambda x: F.adaptive_avg_pool3d(x.unsqueeze(2), (1, 6, 2)),
    ],
)
def test_functions(function):
    check_call(function, drawn(*SIZES[2]))


def test_sizes_that_do_not_divide_are_refused():
    for layer in (nn.AdaptiveAvgPool2d(5), nn.AdaptiveMaxPool2d((6, 3))):
        assert "windows of different sizes" in refused(layer, drawn(*SIZES[2]))


def test_indices_are_refused():
    for function in (
        nn.AdaptiveMaxPool2d(1, return_indices=True),
        lambda x: F.adaptive_max_pool2d(x, 1, return_indices=True),
    ):
        assert "return_indices" in refused(function, drawn(*SIZES[2]))


def test_inputs_without_batch_are_refused():
    assert "without a batch" in refused(nn.AdaptiveAvgPool2d(1), drawn(3, 4, 5))

"""GroupNorm and InstanceNorm: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.graphmorph.torch_door.calling import check_call, operators, refused
from tests.graphmorph.torch_door.rules.test_layer_norm import drawn, randomised

SIZES = {1: (2, 6, 7), 2: (2, 6, 3, 4), 3: (2, 6, 2, 3, 4)}


@pytest.mark.parametrize(("groups", "sizes"), [(2, (2, 6)), *itertools.product([1, 2, 6], SIZES.values())])
@pytest.mark.parametrize("affine", [True, False])
def test_group_norm_module(groups, sizes, affine):
    graph = check_call(randomised(nn.GroupNorm(groups, 6, affine=affine)), drawn(*sizes))
    assert operators(graph)[:3] == ["Reshape", "InstanceNormalization", "Reshape"]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.group_norm(x, 3),
        lambda x: F.group_norm(x, num_groups=2, weight=torch.arange(6.0), eps=0.3),
        lambda x: torch.group_norm(x, 2, None, torch.arange(6.0), 1e-3, True),
    ],
)
def test_group_norm_functions(function):
    check_call(function, drawn(2, 6, 3, 4))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("settings", [{}, {"affine": True}, {"affine": True, "eps": 0.1}])
def test_instance_norm_module(dimensions, settings):
    layer = getattr(nn, f"InstanceNorm{dimensions}d")(6, **settings)
    graph = check_call(randomised(layer), drawn(*SIZES[dimensions]))
    assert operators(graph) == ["InstanceNormalization"]


def test_instance_norm_with_running_statistics_is_batch_norm():
    layer = nn.InstanceNorm2d(6, affine=True, track_running_stats=True)
    layer(drawn(2, 6, 3, 4) + 3)
    assert operators(check_call(randomised(layer), drawn(*SIZES[2]))) == ["BatchNormalization"]


def test_instance_norm_that_updates_running_statistics_is_refused():
    layer = nn.InstanceNorm2d(6, track_running_stats=True)
    assert "updates running statistics" in refused(layer, drawn(*SIZES[2]), training=True)


def test_instance_norm_without_batch_is_refused():
    assert "without a batch" in refused(nn.InstanceNorm2d(6, affine=True), drawn(6, 3, 4))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.instance_norm(x),
        lambda x: F.instance_norm(x, weight=torch.arange(6.0), bias=torch.ones(6), eps=0.1),
        lambda x: F.instance_norm(x, torch.ones(6), torch.full((6,), 2.0), use_input_stats=False),
        lambda x: torch.instance_norm(x, torch.arange(6.0), None, None, None, True, 0.1, 1e-5, False),
    ],
)
def test_instance_norm_functions(function):
    check_call(function, drawn(2, 6, 3, 4))


def test_functional_instance_norm_that_updates_is_refused():
    mean, var = torch.zeros(6), torch.ones(6)
    assert "updates running" in refused(lambda x: F.instance_norm(x, mean, var), drawn(2, 6, 3, 4))

"""What is counted of a sparse network."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn, optim

from graphmorph.training import MagnitudeMasks, sparse_report


def test_weights_neurons_and_energy() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5), nn.ReLU(), nn.Linear(3, 2))
    module[1].eval()
    masks = MagnitudeMasks(module, optim.SGD(module.parameters(), 0.1))
    masks.kept["0.weight"][1] = False
    masks.kept["3.weight"][0, :2] = False
    modes = [layer.training for layer in module.modules()]
    report = sparse_report(masks, torch.ones(5, 4))
    assert [layer.training for layer in module.modules()] == modes
    assert (report.weights, report.remaining, report.biases) == (18, 12, 5)
    assert (report.neurons, report.fed) == (5, 4)
    assert (report.dense_multiply_adds, report.multiply_adds) == (18, 12)
    assert report.multiply_energy == pytest.approx(12 * 3.7e-3)
    assert report.energy == pytest.approx(12 * 4.6e-3)
    assert not any(layer._forward_hooks for layer in module)
    assert json.loads(json.dumps(report.as_dict()))["layers"][0]["fed"] == 2


def test_the_paper_counts_multiplications() -> None:
    """4,389 weights and 16 nJ."""
    module = nn.Sequential(nn.Linear(4_389, 1))
    report = sparse_report(MagnitudeMasks(module, optim.SGD(module.parameters(), 0.1)), torch.ones(1, 4_389))
    assert round(report.multiply_energy) == 16
    assert round(report.energy) == 20


def test_convolutions_multiply_at_every_position() -> None:
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3, groups=2), nn.ConvTranspose2d(4, 6, 2, stride=2, groups=2), nn.Flatten(2), nn.Linear(64, 5)
    )
    masks = MagnitudeMasks(module, optim.SGD(module.parameters(), 0.1))
    masks.kept["1.weight"][2:, 0] = False  # the first output of the second group
    layers = sparse_report(masks, torch.ones(2, 2, 6, 6)).layers
    assert [layer.used for layer in layers] == [16, 16, 6]
    assert [layer.neurons for layer in layers] == [4, 6, 5]
    assert [layer.fed for layer in layers] == [4, 5, 5]


def test_a_layer_that_is_called_twice_multiplies_twice() -> None:
    shared = nn.Linear(3, 3)
    module = nn.Sequential(shared, nn.ReLU(), shared)
    masks = MagnitudeMasks(module, optim.SGD(module.parameters(), 0.1))
    assert sparse_report(masks, torch.ones(1, 3)).multiply_adds == 18

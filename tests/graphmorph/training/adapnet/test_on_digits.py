"""A small convolutional network on scikit-learn's digits: figures that do not depend on how the maps were made."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from graphmorph.channels.criteria.kse import kse
from graphmorph.training.adapnet import AdapNetConfig, LayerStatistics, Protection, beta_at, decide

FILTERS = 12
CONFIG = AdapNetConfig(points=240)


class Net(nn.Module):
    """Filter 1 begins as filter 0, and filter 2 is dead."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, FILTERS, 3, padding=1), nn.Conv2d(FILTERS, 16, 3)
        self.last = nn.Linear(64, 10)
        offsets = self.first.bias
        assert offsets is not None
        with torch.no_grad():
            self.first.weight[1], offsets[1] = self.first.weight[0], offsets[0]
            self.first.weight[2], offsets[2] = 0.0, -1.0

    def maps(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.first(inputs))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        read = torch.relu(self.second(nn.functional.max_pool2d(self.maps(inputs), 2)))
        scores: torch.Tensor = self.last(read.flatten(1))
        return scores


def trained() -> tuple[Net, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    inputs = torch.tensor(images / 16.0, dtype=torch.float32).reshape(-1, 1, 8, 8)
    net, targets = Net(), torch.tensor(labels)
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    for _ in range(3):
        for part in torch.split(torch.randperm(len(inputs)), 64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(inputs[part]), targets[part]).backward()
            optimizer.step()
    return net, inputs, targets


def test_dead_filters_go_and_twins_behave_alike() -> None:
    net, inputs, targets = trained()
    assert (net(inputs).argmax(1) == targets).float().mean() > 0.9
    layer = LayerStatistics(FILTERS, CONFIG)
    with torch.no_grad():
        maps = net.maps(inputs).numpy()
    for number in range(3):
        for begin in range(512 * number, 512 * (number + 1), 64):
            layer.watch(maps[begin : begin + 64], begin)
        evidence, _ = layer.evaluate(beta_at(0, CONFIG))
    assert evidence.tells
    assert layer.activity.raw.sum(axis=1)[[0, 1, 3]].tolist() == [60.0] * 3
    assert evidence.uniformity[2] == 1.0
    next_layer = net.second.weight.detach().double().numpy()
    scores = kse(lambda unit: next_layer[:, unit].reshape(16, -1), FILTERS, 5, 1.0, "one")
    random = np.random.default_rng(0)
    decisions = decide([evidence], scores[None], Protection(FILTERS), "inverse", beta=0.9, config=CONFIG, random=random)
    assert 2 in [one.filter for one in decisions.prunings]
    assert np.abs(evidence.distributions[0] - evidence.distributions[1]).max() < 0.3

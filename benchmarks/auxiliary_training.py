"""How the networks of the auxiliary layer's experiments are made and trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn, optim
from torch.nn import functional

from benchmarks.auxiliary_data import SIDE, Fold, Samples

#: MLP 80-60-40 (section III.A).
WIDTHS = (SIDE * SIDE, 80, 60, 40, 10)
#: Behind the relu of the first 80: with 190 neurons in all (or 290 with the inputs) the cut that is nearest to half.
MIDDLE = "1"


@dataclass(frozen=True)
class Schedule:
    """Adam, in whole epochs. base: epochs before any pruning, at most; retrain: after each.

    annealed: the rate falls to zero in every training (half a cosine); else it is constant. deviation: of the weights
    at first, normally distributed; 0 for torch's own, which are smaller. stop_at: the base accuracy, at which the
    training before any pruning ends; None: after all of its epochs.
    """

    base: int
    retrain: int
    rate: float
    batch: int = 500
    annealed: bool = False
    deviation: float = 0.0
    stop_at: float | None = None


def network(schedule: Schedule, seed: int) -> nn.Sequential:
    """An MLP for images (batch, 100), with relu (the paper does not say which function)."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for given, made in pairwise(WIDTHS):
        layer = nn.Linear(given, made)
        if schedule.deviation:
            nn.init.normal_(layer.weight, 0, schedule.deviation)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def optimizer_of(module: nn.Module, schedule: Schedule) -> optim.Adam:
    """One that goes on through all prunings."""
    return optim.Adam(module.parameters(), schedule.rate, fused=True)


def train(module: nn.Module, optimizer: optim.Optimizer, samples: Samples, schedule: Schedule, epochs: int) -> None:
    """Some epochs; the order of images is drawn by torch's generator."""
    module.train()
    steps, done = epochs * -(-len(samples.labels) // schedule.batch), 0
    for _ in range(epochs):
        for batch in torch.randperm(len(samples.labels)).split(schedule.batch):
            share = 0.5 * (1 + math.cos(math.pi * done / steps)) if schedule.annealed else 1.0
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate * share
            loss = functional.cross_entropy(module(samples.images[batch]), samples.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1


def train_base(module: nn.Module, optimizer: optim.Optimizer, fold: Fold, schedule: Schedule) -> int:
    """Train before any pruning; returns after how many epochs it was over."""
    if schedule.stop_at is None:
        train(module, optimizer, fold.training, schedule, schedule.base)
        return schedule.base
    for epoch in range(1, schedule.base + 1):
        train(module, optimizer, fold.training, schedule, 1)
        if accuracy(module, fold.held_out) >= schedule.stop_at:
            return epoch
    return schedule.base


def accuracy(module: nn.Module, samples: Samples) -> float:
    """The share of images that a network, in evaluation mode, gives their label."""
    module.eval()
    with torch.inference_mode():
        return int((module(samples.images).argmax(1) == samples.labels).sum()) / len(samples.labels)

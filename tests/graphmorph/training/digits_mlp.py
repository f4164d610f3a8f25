"""A small network on scikit-learn's digits, as a user trains it."""

from __future__ import annotations

from functools import cache

import torch
from sklearn.datasets import load_digits
from torch import nn, optim

TRAINED_ON = 1_400


@cache
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Images (samples, 64) and labels."""
    images, labels = load_digits(return_X_y=True)
    return torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)


def network(width: int = 24) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(64, width),
        nn.ReLU(),
        nn.Linear(width, 16),
        nn.ReLU(),
        nn.Linear(16, 12),
        nn.ReLU(),
        nn.Linear(12, 10),
    )


def train(module: nn.Module, optimizer: optim.Optimizer, epochs: int, seed: int = 0) -> None:
    images, labels = _digits_for(module)
    order = torch.Generator().manual_seed(seed)
    module.train()
    for _ in range(epochs):
        for batch in torch.randperm(TRAINED_ON, generator=order).split(100):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(images[batch]), labels[batch]).backward()
            optimizer.step()


def accuracy(module: nn.Module) -> float:
    """On what was not trained on."""
    images, labels = _digits_for(module)
    module.eval()
    with torch.no_grad():
        return float((module(images[TRAINED_ON:]).argmax(1) == labels[TRAINED_ON:]).float().mean())


def _digits_for(module: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = digits()
    return images.to(next(module.parameters()).dtype), labels

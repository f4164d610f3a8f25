# ruff: noqa: T201
"""Prune a network while your own loop trains it, give it a layer, prune again, and remove what is dead.

Handwritten digits of scikit-learn; seconds on one core. `python examples/auxiliary_layer.py`
"""

from __future__ import annotations

import json

import torch
from sklearn.datasets import load_digits
from torch import nn

from graphmorph.training import (
    AdaptivePruning,
    MagnitudeMasks,
    insert_auxiliary_layer,
    remove_dead_neurons,
    sparse_report,
)

torch.manual_seed(0)
images, labels = load_digits(return_X_y=True)
x, y = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
seen, held_out = slice(0, 1400), slice(1400, None)


def train(model: nn.Module, epochs: int) -> None:
    """Any loop will do: pruned weights stay zero behind `optimizer.step()`."""
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(1400).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[seen][batch]), y[seen][batch]).backward()
            optimizer.step()


def accuracy(model: nn.Module) -> float:
    """The share of held-out images that the model gets right."""
    model.eval()
    with torch.no_grad():
        return float((model(x[held_out]).argmax(1) == y[held_out]).float().mean())


model: nn.Module = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
train(model, epochs=20)
acceptable = accuracy(model) - 0.01

# Prune and retrain, until the accuracy cannot be won back.
masks = MagnitudeMasks(model, optimizer)
for step in AdaptivePruning(masks, accuracy, base_accuracy=acceptable):
    train(model, epochs=4)
    print(f"step {step.number}: rate {step.rate:g}, {step.remaining:,} of {masks.total:,} weights remain")

# Another chance for what was pruned: a layer that changes nothing at first. The optimizer goes on with the new model.
model = insert_auxiliary_layer(masks, x[:4], after="1", start="identity")
for step in AdaptivePruning(masks, accuracy, base_accuracy=acceptable):
    train(model, epochs=4)
    print(f"step {step.number}: rate {step.rate:g}, {step.remaining:,} of {masks.total:,} weights remain")

# Neurons without inputs or outputs go for real; what is left is an ordinary module.
model = remove_dead_neurons(masks, x[:4])
masks.release()
report = sparse_report(masks, x[:4]).as_dict()
print(f"accuracy {accuracy(model):.3f}; {json.dumps({k: v for k, v in report.items() if k != 'layers'})}")
print([tuple(weight.shape) for weight in masks.weights.values()])

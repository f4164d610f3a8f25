"""How the networks of CompNet's experiments are trained: SGD, with a constant rate (section 3.1) or in one cycle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import OneCycleLR

from benchmarks.mnist import Part

Rates = Literal["constant", "one-cycle"]

EVALUATED_AT_ONCE = 500
#: How far augmented images move, at most, as is usual for CIFAR-10.
LARGEST_SHIFT = 4


@dataclass(frozen=True)
class Schedule:
    """rate: constant, or the largest of one cycle. augmented: images are mirrored and shifted at random."""

    rates: Rates
    rate: float
    epochs: int
    batch: int = 64
    momentum: float = 0.9
    decay: float = 1e-6
    augmented: bool = False


def train(
    network: nn.Module, training: Part, test: Part, schedule: Schedule, seed: int, device: str = "cpu"
) -> list[float]:
    """Train in place; the test accuracy after each epoch. The seed draws the order of images, dropout and shifts."""
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stub lacks it
    images, labels = torch.from_numpy(training.images).to(device), torch.from_numpy(training.labels).to(device)
    steps = -(-len(images) // schedule.batch)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=schedule.rate, momentum=schedule.momentum, weight_decay=schedule.decay
    )
    cycle = None
    if schedule.rates == "one-cycle":
        cycle = OneCycleLR(optimizer, schedule.rate, total_steps=steps * schedule.epochs, cycle_momentum=False)
    torch.manual_seed(seed)
    accuracies = []
    for _ in range(schedule.epochs):
        network.train()
        for batch in torch.randperm(len(images)).to(device).split(schedule.batch):
            seen = augmented(images[batch]) if schedule.augmented else images[batch]
            loss = functional.cross_entropy(network(seen), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if cycle is not None:
                cycle.step()
        accuracies.append(accuracy(network, test, device))
    network.to("cpu")
    return accuracies


def accuracy(network: nn.Module, part: Part, device: str = "cpu") -> float:
    """The share of images that a network, in evaluation mode, gives their label."""
    network.eval().to(device)
    right = 0
    with torch.inference_mode():
        for images, labels in _batches(part):
            right += int((network(images.to(device)).argmax(1).cpu() == labels).sum())
    return right / len(part.labels)


def augmented(images: Tensor) -> Tensor:
    """A batch (batch, channels, height, width), half of it mirrored, each image shifted by up to LARGEST_SHIFT."""
    count, _, height, width = images.shape
    mirrored = torch.rand(count, device=images.device) < 0.5
    turned = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    padded = functional.pad(turned, (LARGEST_SHIFT,) * 4)
    down, right = torch.randint(0, 2 * LARGEST_SHIFT + 1, (2, count), device=images.device)
    rows = down[:, None] + torch.arange(height, device=images.device)
    columns = right[:, None] + torch.arange(width, device=images.device)
    samples = torch.arange(count, device=images.device)[:, None, None]
    return padded[samples, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _batches(part: Part) -> Iterator[tuple[Tensor, Tensor]]:
    images = torch.from_numpy(part.images).split(EVALUATED_AT_ONCE)
    labels = torch.from_numpy(part.labels).split(EVALUATED_AT_ONCE)
    yield from zip(images, labels, strict=True)

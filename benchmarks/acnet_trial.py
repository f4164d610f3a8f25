"""One trial of ACNet's experiment: a network and its ACNet counterpart, trained alike from one seed, then fused.

The seed chooses the training images, the initial weights, the order of batches and the shifts. The counterpart starts
from the baseline's square kernels, with fresh branches beside them (ACNet section 3.3).
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import graphmorph
from benchmarks.acnet_curves import accuracy, logits_of, pruning_curves
from benchmarks.mnist import Part, test_part, training_part

LARGEST_SHIFT = 2
CALIBRATED_ON = 400


@dataclass(frozen=True)
class Schedule:
    """What both networks are trained with: SGD, and the paper's staircase of learning rates."""

    width: int = 6
    samples: int = 6_000
    epochs: int = 12
    batch: int = 64
    rate: float = 0.1
    momentum: float = 0.9
    decay: float = 1e-4
    #: The rate falls to a tenth after each of these shares of the epochs.
    drops: tuple[float, ...] = (0.5, 0.75, 0.9)


def baseline(width: int) -> nn.Sequential:
    """A slim VGG: six 3x3 convolutions with BN, for images (batch, 1, 28, 28)."""
    layers: list[nn.Module] = []
    channels = 1
    for stage, following in enumerate((width, 2 * width, 4 * width)):
        if stage:
            layers.append(nn.MaxPool2d(2))
        for _ in range(2):
            layers += [nn.Conv2d(channels, following, 3, padding=1, bias=False), nn.BatchNorm2d(following), nn.ReLU()]
            channels = following
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def run_trial(seed: int, schedule: Schedule, source: Path, draws: int) -> dict[str, Any]:
    """Train, fuse and look at the baseline and its counterpart; plain data, with keys "baseline" and "acnet"."""
    training, test = training_part(source), test_part(source)
    chosen = np.random.default_rng(seed).permutation(len(training.labels))[: schedule.samples]
    images, labels = torch.from_numpy(training.images[chosen]), torch.from_numpy(training.labels[chosen])
    torch.manual_seed(seed)
    plain = baseline(schedule.width)
    expanded = graphmorph.expand(plain, example_inputs=images[:2], init="fresh", seed=seed)
    trial: dict[str, Any] = {"seed": seed}
    for name, network in (("baseline", plain), ("acnet", expanded)):
        untrained = kernel_matrix(fused_untrained(network, images[:CALIBRATED_ON]))
        started = time.perf_counter()
        loss = train(network, images, labels, schedule, seed)
        seconds = time.perf_counter() - started
        fused = graphmorph.fuse(network, example_inputs=images[:2])
        trial[name] = {
            "loss": loss,
            "seconds": round(seconds, 1),
            **sizes(network, fused),
            **decisions(network, fused, test),
            "kernels": kernel_matrix(fused),
            "kernels_untrained": untrained,
            "pruning": pruning_curves(fused, test, draws),
        }
    return trial


def fused_untrained(network: nn.Module, images: Tensor) -> nn.Module:
    """The network as it was initialised, fused with the statistics of images (samples, 1, 28, 28).

    Branches with fewer weights are initialised larger and normalised like the others, so that a part of A's imbalance
    is there before training.
    """
    copied = copy.deepcopy(network).train()
    for layer in copied.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        copied(images)
    return graphmorph.fuse(copied.eval(), example_inputs=images[:2])


def train(network: nn.Module, images: Tensor, labels: Tensor, schedule: Schedule, seed: int) -> float:
    """Train on images (samples, 1, 28, 28); returns the mean loss of the last epoch."""
    torch.manual_seed(seed)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=schedule.rate, momentum=schedule.momentum, weight_decay=schedule.decay
    )
    milestones = [round(share * schedule.epochs) for share in schedule.drops]
    staircase = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones)
    network.train()
    losses: list[float] = []
    for _ in range(schedule.epochs):
        losses = []
        for batch in torch.randperm(len(images)).split(schedule.batch):
            loss = functional.cross_entropy(network(shifted(images[batch])), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        staircase.step()
    network.eval()
    return float(np.mean(losses))


def shifted(images: Tensor) -> Tensor:
    """A batch (batch, 1, height, width), moved by up to LARGEST_SHIFT pixels: padded and cropped, as in the paper."""
    rows, columns = (int(shift) for shift in torch.randint(0, 2 * LARGEST_SHIFT + 1, (2,)))
    height, width = images.shape[2:]
    margins = (LARGEST_SHIFT, LARGEST_SHIFT, LARGEST_SHIFT, LARGEST_SHIFT)
    padded = functional.pad(images, margins, value=float(images.min()))
    return padded[:, :, rows : rows + height, columns : columns + width]


def sizes(network: nn.Module, fused: nn.Module) -> dict[str, int]:
    """Convolutions and parameters of both forms."""
    counted = {}
    for suffix, form in (("", network), ("_fused", fused)):
        counted["convolutions" + suffix] = sum(isinstance(layer, nn.Conv2d) for layer in form.modules())
        counted["parameters" + suffix] = sum(parameter.numel() for parameter in form.parameters())
    return counted


def decisions(network: nn.Module, fused: nn.Module, test: Part) -> dict[str, float]:
    """Accuracy before and after fusion, and how many test images the two forms decide differently."""
    before, after = logits_of(network, test), logits_of(fused, test)
    return {
        "accuracy": accuracy(before, test),
        "accuracy_fused": accuracy(after, test),
        "images": len(test.labels),
        "disagreements": int((before.argmax(1) != after.argmax(1)).sum()),
        "largest_difference": float(np.abs(after - before).max() / np.abs(before).max()),
    }


def kernel_matrix(fused: nn.Module) -> list[list[float]]:
    """A of the 3x3 layers (ACNet equation 9)."""
    (average,) = graphmorph.inspect_kernels(fused).sizes
    matrix: list[list[float]] = average.matrix.tolist()
    return matrix

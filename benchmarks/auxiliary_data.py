"""MNIST at 10 x 10 in ten folds, as tensors: what the auxiliary layer's experiments train on, and are judged by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.mnist import Part, test_part, training_part

SIDE = 10
FOLDS = 10


@dataclass(frozen=True, eq=False)
class Samples:
    """Images (samples, 100) and labels (samples,)."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class Fold:
    """training: nine tenths of the training images. held_out: the tenth that decides, as in the paper.

    unseen: the 10,000 test images, by which nothing is decided.
    """

    training: Samples
    held_out: Samples
    unseen: Samples


@cache
def _all(source: Path) -> tuple[Samples, Samples]:
    return _small(training_part(source)), _small(test_part(source))


def _small(part: Part) -> Samples:
    """Pixels are means over areas; 28 is no multiple of 10, so that areas overlap."""
    images = functional.interpolate(torch.from_numpy(part.images), (SIDE, SIDE), mode="area").flatten(1)
    return Samples(images, torch.from_numpy(part.labels))


def fold_of(source: Path, number: int, samples: int | None = None) -> Fold:
    """One of FOLDS folds. samples: so many images in all folds together; None: all.

    The order is drawn once for all folds. Pixels are moved and scaled by one mean and deviation, those of the training.
    """
    everything, unseen = _all(source)
    order = np.random.default_rng(0).permutation(len(everything.labels))[:samples]
    parts = [torch.from_numpy(part) for part in np.array_split(order, FOLDS)]
    rest = torch.cat([part for index, part in enumerate(parts) if index != number])
    training = everything.images[rest]
    mean, deviation = training.mean(), training.std()

    def scaled(images: Tensor, labels: Tensor) -> Samples:
        return Samples((images - mean) / deviation, labels)

    held = parts[number]
    return Fold(
        scaled(training, everything.labels[rest]),
        scaled(everything.images[held], everything.labels[held]),
        scaled(unseen.images, unseen.labels),
    )

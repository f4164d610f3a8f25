"""The images of CompNet's experiments: MNIST, as it is or padded to 32 x 32, and CIFAR-10."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks import cifar10, mnist
from benchmarks.mnist import Part

Name = Literal["mnist", "mnist-32", "cifar10"]


@dataclass(frozen=True)
class Data:
    """Where images come from. samples: so many of the training images, the first ones; None: all."""

    name: Name
    folder: Path
    samples: int | None = None


@cache
def parts_of(data: Data) -> tuple[Part, Part]:
    """Training and test images; read once in a process."""
    module = cifar10 if data.name == "cifar10" else mnist
    training, test = module.training_part(data.folder), module.test_part(data.folder)
    if data.name == "mnist-32":
        training, test = padded(training), padded(test)
    return Part(training.images[: data.samples], training.labels[: data.samples]), test


def padded(part: Part) -> Part:
    """Images (samples, 1, 28, 28) in the middle of (samples, 1, 32, 32), on their darkest value."""
    margins = ((0, 0), (0, 0), (2, 2), (2, 2))
    return Part(np.pad(part.images, margins, constant_values=float(part.images.min())), part.labels)

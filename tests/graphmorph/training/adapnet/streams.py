"""Feature maps whose subspaces are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 8


def subspaces(count: int, random: np.random.Generator, dimension: int = 3) -> NDArray[np.float64]:
    """(count, dimension, SIDE * SIDE) bases."""
    return random.normal(size=(count, dimension, SIDE * SIDE))


def points_in(
    bases: NDArray[np.float64], labels: NDArray[np.int64], random: np.random.Generator, noise: float = 0.1
) -> NDArray[np.float32]:
    """(labels, SIDE, SIDE) maps, each in the subspace of its label, but for noise."""
    weights = random.normal(size=(labels.size, bases.shape[1]))
    maps = np.einsum("pd,pde->pe", weights, bases[labels]) + noise * random.normal(size=(labels.size, SIDE * SIDE))
    return np.asarray(maps.reshape(-1, SIDE, SIDE), np.float32)


def batch(
    bases: NDArray[np.float64], owners: list[int | None], samples: int, random: np.random.Generator, noise: float = 0.1
) -> NDArray[np.float32]:
    """(samples, filters, SIDE, SIDE). owners: the subspace of each filter, -1 for all in turn, None for a dead one."""
    maps = np.zeros((samples, len(owners), SIDE, SIDE), np.float32)
    for place, owner in enumerate(owners):
        if owner is not None:
            labels = np.full(samples, owner) if owner >= 0 else np.arange(samples) % len(bases)
            maps[:, place] = points_in(bases, labels, random, noise)
    return maps

"""Norms of slices of a weight: arrays only.

The sum over a slice of |w| (l1; Li et al., Pruning filters for efficient ConvNets, ICLR 2017) or of w^2 (l2) adds up
over the places of a unit, and its root is the norm of all its weights in a layer.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Power = Literal[1, 2]

#: Elements that are held in float64 at a time.
_BLOCK = 1 << 20


def power_sums(weights: np.ndarray, axis: int, power: Power) -> NDArray[np.float64]:
    """(n,) sums of |w|^power over every slice of `weights` along `axis`, of size n. Reads it block by block."""
    rows = np.moveaxis(weights, axis, 0)
    size = rows.shape[0]
    sums = np.empty(size, np.float64)
    step = max(1, _BLOCK // max(1, rows[:1].size))
    for start in range(0, size, step):
        block = np.asarray(rows[start : start + step], np.float64).reshape(-1, rows[:1].size)
        sums[start : start + step] = np.abs(block).sum(axis=1) if power == 1 else np.einsum("ij,ij->i", block, block)
    return sums


def unit_norms(sums: NDArray[np.float64], positions: NDArray[np.int64], power: Power) -> NDArray[np.float64]:
    """(units,) norms, from the power sums (n,) along an axis and the places of each unit, (units, places)."""
    total = sums[positions].sum(axis=1)
    norms: NDArray[np.float64] = total if power == 1 else np.sqrt(total)
    return norms

"""Distance to the other filters of a layer: arrays only.

A filter near the geometric median of its layer can be replaced by the others (He et al., Filter pruning via geometric
median, CVPR 2019, equation 4 and the remark after equation 8):

    g(x) = sum over all filters x' of the layer of ||x - x'||_2

Small means replaceable, so g is the importance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Filters whose distances to all others are held at a time, and weights of a filter that are in float64 at a time.
_ROWS, _COLUMNS = 512, 4096


def distance_sums(weights: np.ndarray, axis: int) -> NDArray[np.float64]:
    """(n,) sums of Euclidean distances from every slice along `axis`, of size n, to all the others."""
    rows = np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1)
    size, width = rows.shape
    sums = np.empty(size, np.float64)
    for start in range(0, size, _ROWS):
        some = slice(start, min(start + _ROWS, size))
        squares = np.zeros((some.stop - some.start, size), np.float64)
        for first in range(0, width, _COLUMNS):
            part = np.asarray(rows[:, first : first + _COLUMNS], np.float64)
            # Distances do not change with the origin, and their rounding is least where it lies among the filters.
            squares += _squared_distances(part - part.mean(axis=0), some)
        sums[some] = np.sqrt(np.maximum(squares, 0.0)).sum(axis=1)
    return sums


def _squared_distances(rows: NDArray[np.float64], some: slice) -> NDArray[np.float64]:
    lengths = np.einsum("ij,ij->i", rows, rows)
    squares: NDArray[np.float64] = lengths[some, None] + lengths - 2.0 * (rows[some] @ rows.T)
    squares[np.arange(squares.shape[0]), np.arange(some.start, some.stop)] = 0.0
    return squares

"""Which rows of a matrix are equal, bit for bit, without looking at all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Rows that differ in one of this many columns are told apart there; only the others are compared as a whole.
SAMPLED = 8


def equal_rows(matrix: NDArray[Any]) -> NDArray[np.int64]:
    """A label for every row; rows have the same label if and only if all their entries are equal (-0 equals 0).

    matrix: [rows, columns] of numbers.
    """
    rows, columns = matrix.shape
    if columns == 0 or rows == 1:
        return np.zeros(rows, np.int64)
    sampled = np.unique(np.linspace(0, columns - 1, min(columns, SAMPLED)).astype(np.int64))
    labels = _labels(matrix[:, sampled])
    shared = np.flatnonzero(np.bincount(labels)[labels] > 1)
    if shared.size and sampled.size < columns:
        labels[shared] = labels.max() + 1 + _labels(matrix[shared])
    return labels


def _labels(matrix: NDArray[Any]) -> NDArray[np.int64]:
    packed = np.ascontiguousarray(matrix)
    if packed.dtype.kind == "f":
        packed = packed + packed.dtype.type(0)  # -0 becomes 0
    if packed.dtype.itemsize * packed.shape[1] == 8:
        keys: NDArray[Any] = packed.view(np.int64)[:, 0]
    else:
        keys = packed.view(np.dtype((np.void, packed.dtype.itemsize * packed.shape[1])))[:, 0]
    return np.unique(keys, return_inverse=True)[1].reshape(-1).astype(np.int64)

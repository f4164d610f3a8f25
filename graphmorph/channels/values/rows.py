"""Which rows of a matrix are equal, bit for bit, without looking at all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Rows are told apart by one column, then by this many; only those that agree there are compared as a whole.
SAMPLED = 8


def equal_rows(matrix: NDArray[Any]) -> NDArray[np.int64]:
    """A label for every row; rows have the same label if and only if all their entries are equal (-0 equals 0).

    matrix: [rows, columns] of numbers.
    """
    rows, columns = matrix.shape
    labels = np.zeros(rows, np.int64)
    for count in (1, SAMPLED, columns):
        shared = np.flatnonzero(np.bincount(labels)[labels] > 1)
        if not shared.size or not columns:
            break
        looked_at = np.unique(np.linspace(0, columns - 1, min(count, columns)).astype(np.int64))
        part = matrix[shared] if looked_at.size == columns else matrix[np.ix_(shared, looked_at)]
        labels[shared] = labels.max() + 1 + _labels(part)
        if looked_at.size == columns:
            break
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

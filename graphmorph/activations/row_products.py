"""Sums of products over rows, AᵀB, multiplied in blocks that are large enough to be worth a call of BLAS.

A batch may be a few rows, and each multiplication wakes BLAS's threads, which then spin for a while, on the cores that
the model would run on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: How many numbers (2 MiB), and how many rows a block holds, at most.
_BLOCK = 1 << 18
_ROWS = 1 << 10


class RowProducts:
    """The sum of AᵀB over rows of A (rows, columns) and B (rows, outputs); of AᵀA where `outputs` is None."""

    def __init__(self, columns: int, outputs: int | None = None) -> None:
        self._widths = (columns,) if outputs is None else (columns, outputs)
        self._sum = np.zeros((columns, self._widths[-1]))
        self._rows = min(max(_BLOCK // max(sum(self._widths), 1), 1), _ROWS)
        self._waiting: tuple[Array, ...] = ()
        self._count = 0

    @property
    def total(self) -> Array:
        """(columns, outputs) the sum."""
        self._flush()
        return self._sum

    @total.setter
    def total(self, value: Array) -> None:
        self._waiting, self._count = (), 0
        self._sum = value

    def add(self, *rows: Array) -> None:
        """Add as many rows of A as of B, or rows of A alone; they are copied, or multiplied at once."""
        count = len(rows[0])
        if self._count + count > self._rows:
            self._flush()
        if count > self._rows // 2:
            self._multiply(rows)
            return
        if not self._waiting:
            self._waiting = tuple(np.empty((self._rows, width)) for width in self._widths)
        for block, one in zip(self._waiting, rows, strict=True):
            block[self._count : self._count + count] = one
        self._count += count

    def _flush(self) -> None:
        if self._count:
            self._multiply(tuple(block[: self._count] for block in self._waiting))
            self._count = 0

    def _multiply(self, rows: tuple[Array, ...]) -> None:
        self._sum += rows[0].T @ rows[-1]

    def __getstate__(self) -> dict[str, object]:
        self._flush()
        return {**self.__dict__, "_waiting": ()}

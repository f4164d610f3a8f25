"""Sums of products of axis sizes, for many masks: every distinct axis is counted once a mask."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.elements import Ids


class AxisCounts:
    """Distinct axes (most are passed on by reference), numbered from 1; number 0 always counts 1."""

    def __init__(self) -> None:
        self._arrays: list[Ids] = []
        self._numbers: dict[int, int] = {}

    def number(self, ids: Ids) -> int:
        """The number of an axis that is not empty. All axes are numbered before any is counted."""
        if id(ids) not in self._numbers:
            self._arrays.append(ids)
            self._numbers[id(ids)] = len(self._arrays)
        return self._numbers[id(ids)]

    def counts(self, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
        """(1 + axes,) kept elements of each axis. kept: by element id."""
        if not self._arrays:
            return np.ones(1, np.int64)
        counted = np.add.reduceat(kept[self._ids], self._starts, dtype=np.int64)
        return np.concatenate((np.ones(1, np.int64), counted))

    @cached_property
    def _ids(self) -> Ids:
        return np.concatenate([ids.reshape(-1) for ids in self._arrays])

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.cumsum([0, *(ids.size for ids in self._arrays[:-1])], dtype=np.int64)


class Products:
    """A sum of products: each a fixed factor, and the counts of some axes."""

    def __init__(self) -> None:
        self._fixed: list[int] = []
        self._rows: list[list[int]] = []

    def add(self, fixed: int, numbers: list[int]) -> None:
        """One more product. All are added before any total is asked for."""
        self._fixed.append(fixed)
        self._rows.append(numbers)

    def total(self, counts: NDArray[np.int64]) -> int:
        """counts: by number of an axis (`AxisCounts.counts`)."""
        factors, table = self._tables
        return int((factors * counts[table].prod(axis=1)).sum())

    @cached_property
    def _tables(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(products,) fixed factors, and (products, most axes) numbers, filled up with 0."""
        width = max((len(row) for row in self._rows), default=0)
        filled = [row + [0] * (width - len(row)) for row in self._rows]
        return np.array(self._fixed, np.int64), np.array(filled, np.int64).reshape(len(filled), width)

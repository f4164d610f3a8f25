"""Hands out value numbers: the same operation on operands of the same numbers gives the same number."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.values.fact import Float64, Numbers
from graphmorph.channels.values.rows import equal_rows

Rows = Callable[[], NDArray[Any]]


class Numbering:
    """Global value numbering (Alpern, Wegman and Zadeck 1988), on arrays. All comparisons are exact: nothing is hashed
    to fewer bits."""

    def __init__(self) -> None:
        self._next = 1
        self._known: dict[Hashable, tuple[Numbers, Numbers]] = {}
        self._matrices: dict[Hashable, list[tuple[Rows, Numbers]]] = {}

    def fresh(self, *shape: int) -> Numbers:
        """Numbers that nothing else has."""
        count = int(np.prod(shape, dtype=np.int64))
        numbers = np.arange(self._next, self._next + count, dtype=np.int64).reshape(shape)
        self._next += count
        return numbers

    def labelled(self, labels: NDArray[np.int64]) -> Numbers:
        """New numbers, the same where labels are; labels: [...]."""
        _, inverse = np.unique(labels, return_inverse=True)
        fresh: Numbers = self.fresh(int(inverse.max(initial=-1)) + 1)[inverse.reshape(labels.shape)]
        return fresh

    def of_constants(self, values: Float64) -> Numbers:
        """The numbers of slices that hold one value everywhere."""
        return self.combine("constant", (values + 0.0).view(np.int64))

    def combine(self, tag: Hashable, *operands: NDArray[np.int64]) -> Numbers:
        """What an operation makes of its operands, which are broadcast.

        tag: all that the result depends on besides the operands' values.
        """
        columns = np.broadcast_arrays(*operands)
        shape = columns[0].shape
        rows = np.stack([column.reshape(-1) for column in columns], axis=1)
        old_rows, old_numbers = self._known.get(tag, (rows[:0], np.zeros(0, np.int64)))
        labels = _row_labels(np.concatenate([old_rows, rows]))
        firsts, numbers = self._joined(labels, old_numbers)
        known = np.concatenate([old_rows, rows])[firsts]
        self._known[tag] = known, numbers
        return numbers[labels[old_rows.shape[0] :]].reshape(shape)

    def of_rows(self, tag: Hashable, rows: Rows) -> Numbers:
        """A number for each row of a matrix, which is asked for again when the tag is seen once more."""
        earlier = self._matrices.setdefault(tag, [])
        if not earlier:
            numbers = self.labelled(equal_rows(rows()))
        else:
            labels = equal_rows(np.concatenate([*(matrix() for matrix, _ in earlier), rows()]))
            old_numbers = np.concatenate([numbers for _, numbers in earlier])
            _, by_label = self._joined(labels, old_numbers)
            numbers = by_label[labels[old_numbers.size :]]
        earlier.append((rows, numbers))
        return numbers

    def _joined(self, labels: NDArray[np.int64], old: Numbers) -> tuple[NDArray[np.int64], Numbers]:
        """By label: the first row that has it, and its number. The first rows have the old numbers."""
        count = int(labels.max(initial=-1)) + 1
        firsts = np.full(count, labels.size, np.int64)
        np.minimum.at(firsts, labels, np.arange(labels.size))
        numbers = np.zeros(count, np.int64)
        numbers[labels[: old.size]] = old
        new = np.flatnonzero((numbers == 0) & (firsts < labels.size))
        numbers[new] = self.fresh(new.size)
        return firsts, numbers


def _row_labels(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels from 0 on without gaps; integers are compared column by column, which is faster than as bytes."""
    labels = np.zeros(rows.shape[0], np.int64)
    for column in rows.T:
        values, inverse = np.unique(column, return_inverse=True)
        labels = np.unique(labels * values.size + inverse, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return labels

"""Hands out value numbers: the same operation on operands of the same numbers gives the same number."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.values.fact import Float64, Numbers
from graphmorph.channels.values.rows import equal_rows
from graphmorph.channels.values.table import Table

Rows = Callable[[], NDArray[Any]]


class Numbering:
    """Global value numbering (Alpern, Wegman and Zadeck 1988), on arrays. All comparisons are exact: nothing is hashed
    to fewer bits."""

    def __init__(self) -> None:
        self._next = 1
        self._known: dict[Hashable, Table] = {}
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
        bits = np.ascontiguousarray(values + 0.0, np.float64).view(np.int64)
        return self._interned("constant", bits.reshape(-1)).reshape(values.shape)

    def combine(self, tag: Hashable, *operands: Numbers) -> Numbers:
        """What an operation makes of its operands, which are broadcast: numbers, or other integers from 0 to 2^31.

        tag: all that the result depends on besides the operands' values.
        """
        first, *others = np.broadcast_arrays(*operands)
        found = first.reshape(-1) if others else self._interned(tag, first.reshape(-1))
        for place, other in enumerate(others):
            found = self._interned((tag, place), found << 32 | other.reshape(-1))
        return found.reshape(first.shape)

    def _interned(self, tag: Hashable, keys: NDArray[np.int64]) -> Numbers:
        """One number for each key under a tag."""
        distinct, inverse = _distinct(keys)
        table = self._known.setdefault(tag, Table())
        numbers = table.find(distinct)
        new = numbers == 0
        numbers[new] = self.fresh(int(new.sum()))
        table.add(distinct[new], numbers[new])
        return numbers[inverse]

    def of_rows(self, tag: Hashable, rows: Rows) -> Numbers:
        """A number for each row of a matrix, which is asked for again when the tag is seen once more."""
        earlier = self._matrices.setdefault(tag, [])
        if not earlier:
            numbers = self.labelled(equal_rows(rows()))
        else:
            labels = equal_rows(np.concatenate([*(matrix() for matrix, _ in earlier), rows()]))
            old = np.concatenate([numbers for _, numbers in earlier])
            by_label = np.zeros(int(labels.max()) + 1, np.int64)
            by_label[labels[: old.size]] = old
            new = np.flatnonzero(by_label == 0)
            by_label[new] = self.fresh(new.size)
            numbers = by_label[labels[old.size :]]
        earlier.append((rows, numbers))
        return numbers


def _distinct(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct keys in order, and where each key is among them; most often they are so already."""
    if np.all(keys[1:] > keys[:-1]):
        return keys.copy(), np.arange(keys.size)
    distinct, inverse = np.unique(keys, return_inverse=True)
    return distinct, inverse.reshape(-1)

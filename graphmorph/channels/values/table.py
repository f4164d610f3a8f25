"""A table from integers to value numbers that grows in large steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.int64]


class Table:
    """Sorted parts, each more than twice as long as the next (a log-structured merge tree, O'Neil et al. 1996): adding
    keys in n steps costs about what sorting all of them does."""

    def __init__(self) -> None:
        self._parts: list[tuple[Keys, Keys]] = []

    def find(self, keys: Keys) -> Keys:
        """The value of each key; 0 where there is none."""
        found = np.zeros(keys.size, np.int64)
        for known, values in self._parts:
            places = np.minimum(np.searchsorted(known, keys), known.size - 1)
            found = np.where(known[places] == keys, values[places], found)
        return found

    def add(self, keys: Keys, values: Keys) -> None:
        """Keys that are not there yet, in order; with their values."""
        if not keys.size:
            return
        while self._parts and self._parts[-1][0].size <= 2 * keys.size:
            more, others = self._parts.pop()
            keys, values = np.concatenate([more, keys]), np.concatenate([others, values])
            order = np.argsort(keys, kind="stable")
            keys, values = keys[order], values[order]
        self._parts.append((keys, values))

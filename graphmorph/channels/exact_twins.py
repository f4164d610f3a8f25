"""Units that are equal wherever they are read."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.exact_reads import ExactRead

#: (duplicates, 2): the label of what goes, and the label of what stays.
Twins = NDArray[np.int64]


def twins_of(units: NDArray[np.int64], reads: Iterable[ExactRead]) -> Twins:
    """Every unit that is equal to an earlier one at every read that tells values apart."""
    kinds, is_read = np.zeros(units.size, np.int64), False
    rank = np.full(int(units.max(initial=0)) + 1, -1, np.int64)
    rank[units] = np.arange(units.size)
    for read in reads:
        table = None if read.numbers is None else _table(rank, units.size, read.labels, read.numbers)
        if table is not None:
            rows = np.column_stack([kinds, table])
            kinds, is_read = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1), True
    if not is_read:
        return np.zeros((0, 2), np.int64)
    _, first, which = np.unique(kinds, return_index=True, return_inverse=True)
    stays = first[which.reshape(-1)]
    gone = np.flatnonzero(stays != np.arange(units.size))
    return np.stack([units[gone], units[stays[gone]]], axis=1)


def _table(
    rank: NDArray[np.int64], count: int, labels: NDArray[np.int64], numbers: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """(units, places) the numbers of the places of each unit, -1 where it has fewer; None where it has none."""
    inside = np.flatnonzero(labels < rank.size)
    owner = rank[labels[inside]]
    mine = np.flatnonzero(owner >= 0)
    order = mine[np.argsort(owner[mine], kind="stable")]
    rows = owner[order]
    if not rows.size:
        return None
    column = np.arange(rows.size) - np.searchsorted(rows, rows)
    table = np.full((count, int(column.max()) + 1), -1, np.int64)
    table[rows, column] = numbers[inside[order]]
    return table

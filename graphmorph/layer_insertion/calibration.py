"""Calibration data as captures read them: more than once, if need be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from graphmorph.errors import UsageError
from graphmorph.proof.user_data import DataPart, are_arrays

#: So many samples at most.
MEASURED = 1024


def calibration_of(data: Any) -> Any:
    """The data; an iterator, which is empty after it was read, refuses to be read again."""
    return _Once(data) if isinstance(data, Iterator) else data


def measured_part(data: Any) -> Any:
    """The samples that a change is measured on where nobody gave others: the first ones of arrays and files, since all
    inputs of a measurement are held; None for iterables."""
    if isinstance(data, Mapping):
        return {name: array[:MEASURED] if np.ndim(array) else array for name, array in data.items()}
    if isinstance(data, DataPart):
        return replace(data, stop=min(data.stop, data.start + MEASURED))
    return DataPart(data, 0, MEASURED) if are_arrays(data) else None


class _Once:
    """An iterator that was given as data."""

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator: Iterator[Any] | None = iterator

    def __iter__(self) -> Iterator[Any]:
        if self._iterator is None:
            raise UsageError(
                "the calibration data are an iterator, and have to be read more than once: give a list, a DataLoader, "
                "arrays or files"
            )
        iterator, self._iterator = self._iterator, None
        return iterator

"""Calibration data as captures read them: more than once, if need be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphmorph.errors import UsageError


def calibration_of(data: Any) -> Any:
    """The data; an iterator, which is empty after it was read, refuses to be read again."""
    return _Once(data) if isinstance(data, Iterator) else data


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

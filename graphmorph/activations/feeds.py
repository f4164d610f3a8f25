"""Feeds for a run, one small batch after another, from every form of data that proofs take."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from graphmorph.errors import UsageError
from graphmorph.proof.inputs import Feeds, InputSpec
from graphmorph.proof.user_data import UserData, user_cases


def feed_batches(data: UserData, specs: Sequence[InputSpec], batch: int) -> Iterator[Feeds]:
    """Feeds of at most `batch` samples where the inputs' first dimension is free, else as the inputs have it.

    An iterable of feeds is read as it goes; arrays and files are loaded (see `graphmorph.proof.user_data`).

    Raises:
        UsageError: the data cannot be read, do not fit the inputs, or are none.
    """
    if batch < 1:
        raise UsageError(f"capture: batches of {batch} samples, at least 1 is needed")
    empty = True
    for feeds in _given(data, specs):
        empty = False
        yield from _in_parts(feeds, specs, batch)
    if empty:
        raise UsageError("there is no sample in the data")


def _given(data: UserData, specs: Sequence[InputSpec]) -> Iterator[Feeds]:
    if isinstance(data, str | os.PathLike | Mapping):
        yield from (case.feeds() for case in user_cases(data, specs))
        return
    for feeds in data:
        yield user_cases([feeds], specs)[0].feeds()


def _in_parts(feeds: Feeds, specs: Sequence[InputSpec], batch: int) -> Iterator[Feeds]:
    lengths = {array.shape[0] if array.ndim else None for array in feeds.values()}
    length = lengths.pop() if len(lengths) == 1 else None
    if length is None or any(not spec.shape or isinstance(spec.shape[0], int) for spec in specs):
        yield feeds
        return
    for start in range(0, length, batch):
        yield {name: array[start : start + batch] for name, array in feeds.items()}

"""Feeds for a run, one small batch after another, from every form of data that proofs take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphmorph.errors import UsageError
from graphmorph.proof.inputs import Feeds, InputSpec
from graphmorph.proof.sample_rows import row_count, rows_at_once
from graphmorph.proof.user_data import UserData, user_feeds


def feed_batches(data: UserData, specs: Sequence[InputSpec], batch: int) -> Iterator[Feeds]:
    """Feeds of at most `batch` samples where the inputs' first dimension is free, else as the inputs have it.

    Files are read, and iterables asked, as it goes.

    Raises:
        UsageError: the data cannot be read, do not fit the inputs, or are none.
    """
    if batch < 1:
        raise UsageError(f"capture: batches of {batch} samples, at least 1 is needed")
    empty = True
    for feeds in user_feeds(data, specs, batch):
        empty = False
        yield from _in_parts(feeds, specs, batch)
    if empty:
        raise UsageError("there is no sample in the data")


def _in_parts(feeds: Feeds, specs: Sequence[InputSpec], batch: int) -> Iterator[Feeds]:
    """Feeds of an iterable may be more than one batch."""
    length, rows = row_count(feeds), rows_at_once(specs, batch)
    if length is None or rows is None or (length % rows and isinstance(specs[0].shape[0], int)):
        yield feeds  # as one, for onnxruntime to judge
        return
    for start in range(0, length, rows):
        yield {name: array[start : start + rows] for name, array in feeds.items()}

"""Capture as a map: data cut into shards, each of which any process can take the sums of."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphmorph.activations.capture import capture
from graphmorph.activations.watches import SumsByTensor, Watch, Watching
from graphmorph.errors import UsageError
from graphmorph.proof.images import Images
from graphmorph.proof.inputs import InputSpec
from graphmorph.proof.sample_rows import row_count, rows_at_once, stacked_inputs
from graphmorph.proof.user_data import DataPart, UserData, user_arrays


@dataclass(frozen=True)
class Settings:
    """How the model is run, as for `capture`."""

    batch: int
    optimized: bool
    providers: tuple[str, ...]
    custom_ops: tuple[str, ...]
    threads: int


@dataclass(frozen=True)
class Shard:
    """A part of the data, and all that a process needs to take its sums; it can be pickled.

    Attributes:
        model: a file that the process can read.
        first_sample: the number of its first sample. samples: how many they are.
        counted: an input of the model, by which samples are counted.
    """

    model: str
    watches: tuple[Watch, ...]
    data: UserData
    first_sample: int
    samples: int
    counted: str
    settings: Settings


def captured_shard(shard: Shard) -> SumsByTensor:
    """The map: the sums of one shard. Called again with the same shard, it gives the same sums.

    Raises what `capture` raises.
    """
    taken = [Watching(watch, shard.first_sample if watch.sampling else 0) for watch in shard.watches]
    listeners: dict[str | tuple[str, ...], list[Watching]] = {}
    for watch, watching in zip(shard.watches, taken, strict=True):
        numbered = watch.sampling is not None and shard.first_sample > 0
        names = (shard.counted, *watch.names) if numbered else watch.names
        listeners.setdefault(names, []).append(watching)
    settings = shard.settings
    capture(
        shard.model,
        listeners,
        shard.data,
        batch=settings.batch,
        optimized=settings.optimized,
        providers=settings.providers,
        custom_ops=settings.custom_ops,
        threads=settings.threads,
    )
    return {watch.key: watching.sums for watch, watching in zip(shard.watches, taken, strict=True)}


def shards_of(
    model: str,
    watches: tuple[Watch, ...],
    data: UserData,
    specs: Sequence[InputSpec],
    settings: Settings,
    count: int,
) -> list[Shard]:
    """At most `count` shards, of whole batches, so that every batch is what it would be in one run.

    Raises:
        UsageError: data that cannot be read or cut.
    """
    arrays = user_arrays(data, specs)
    if arrays is None:
        raise UsageError("data that come as an iterable are read by one worker: give files or arrays, which can be cut")
    stacked = stacked_inputs(arrays, specs)
    length, rows = row_count(arrays), rows_at_once(specs, settings.batch)
    if length == 0:
        raise UsageError("there is no sample in the data")
    if length is None or (rows is None and not stacked):
        raise UsageError(
            "the inputs do not share a leading axis of samples: they cannot be cut, capture with one worker"
        )
    step = 1 if stacked else rows or 1
    each = max(arrays[stacked[0]].shape[1:2], default=1) if stacked else 1
    batches = math.ceil(length / step)
    count = min(count, batches)
    edges = [min(batches * index // count * step, length) for index in range(count + 1)]
    shards = []
    for start, stop in itertools.pairwise(edges):
        part = _part(data, start, stop) or {name: array[start:stop] for name, array in arrays.items()}
        counted = specs[0].name
        shards.append(Shard(model, watches, part, start * each, (stop - start) * each, counted, settings))
    return shards


def _part(data: UserData, start: int, stop: int) -> DataPart | None:
    """Rows of files; None where data are in memory, which are cut themselves: nobody is sent what others need."""
    if isinstance(data, DataPart):
        return replace(data, start=data.start + start, stop=data.start + stop)
    if isinstance(data, str | os.PathLike):
        return DataPart(os.path.abspath(data), start, stop)
    if isinstance(data, Images):
        return DataPart(replace(data, source=_absolute(data.source)), start, stop)
    return DataPart(_absolute(data), start, stop) if isinstance(data, Sequence) else None


def _absolute(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> str | tuple[str, ...]:
    if isinstance(source, str | os.PathLike):
        return os.path.abspath(source)
    return tuple(os.path.abspath(one) for one in source)

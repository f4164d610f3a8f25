"""Processes of this machine that shards are mapped over, by joblib; other engines are used through the same method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from typing import Any, Protocol, TypeVar

from graphmorph.errors import RuntimeCrashError, UsageError

Given = TypeVar("Given")
Made = TypeVar("Made")

#: So often may a process die before the run is given up.
LIVES = 3


class Executor(Protocol):
    """Whatever maps a function over shards, as concurrent.futures executors do: one of theirs, of loky or of mpi4py,
    and `client.get_executor()` of a Dask client."""

    @property
    def map(self) -> Callable[..., Iterable[Any]]:
        """map(function, shards): what the function makes of each, in order."""
        ...


class LocalWorkers:
    """joblib's processes. What a process that died was at is done again, by a new one.

    Raises:
        UsageError: joblib is missing.
    """

    def __init__(self, count: int) -> None:
        try:
            import joblib
        except ImportError as error:
            raise UsageError("several workers need joblib: pip install 'graphmorph[distributed]'") from error
        self._joblib = joblib
        self._count = count

    def map(self, function: Callable[[Given], Made], shards: Iterable[Given]) -> Iterator[Made]:
        """What the function makes of each shard, in order.

        Raises:
            RuntimeCrashError: processes keep dying.
        """
        left = list(shards)
        deaths = 0
        while left:
            parallel = self._joblib.Parallel(self._count, backend="loky", batch_size=1, return_as="generator")
            try:
                for made in parallel(self._joblib.delayed(function)(shard) for shard in tuple(left)):
                    del left[0]
                    yield made
            except BrokenExecutor as error:
                deaths += 1
                if deaths == LIVES:
                    raise RuntimeCrashError(
                        f"{deaths} worker processes died, which mostly is for want of memory: take fewer workers"
                    ) from error

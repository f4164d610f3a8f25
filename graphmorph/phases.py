"""What a job spends its time on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Called with a phase, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]


class Phases:
    """Times phases by their names: `with phases("proof"): ...`. seconds: by phase, those of the same name together.

    progress: is told when a phase begins and ends.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self.progress: Progress = progress or (lambda what, done, total: None)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.progress(name, 0, 1)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - started)
            self.progress(name, 1, 1)

    def add(self, name: str, seconds: float) -> None:
        """Seconds of a phase that somebody else timed."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

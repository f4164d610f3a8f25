"""A progress bar on stderr for whatever takes longer than a second; silent when stderr is no terminal."""

from __future__ import annotations

from threading import Lock, Timer
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

DELAY_SECONDS = 1.0


class ProgressBar:
    """The `progress` callback of the engine, as a context manager: `bar(stage, done, total)`.

    Appears once the whole run has taken DELAY_SECONDS, shows the current stage, and is erased at the end.
    """

    def __init__(self, *, enabled: bool, delay: float = DELAY_SECONDS) -> None:
        self._bar = _bar_on_stderr() if enabled else None
        self._timer = Timer(delay, self._appear)
        self._timer.daemon = True
        self._lock = Lock()
        self._finished = False
        self._stage = ""
        self._task: TaskID | None = None

    def __call__(self, stage: str, done: int = 0, total: int | None = None) -> None:
        """Say that `stage` has done `done` of `total` steps (None: not known)."""
        if self._bar is None:
            return
        with self._lock:
            if stage != self._stage or self._task is None:
                if self._task is not None:
                    self._bar.remove_task(self._task)
                self._stage, self._task = stage, self._bar.add_task(stage, total=total)
            self._bar.update(self._task, completed=done, total=total)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._finished = True
            if self._bar is not None:
                self._bar.stop()

    def _appear(self) -> None:
        with self._lock:
            if not self._finished and self._bar is not None:
                self._bar.start()


def _bar_on_stderr() -> Progress | None:
    """A bar that has not been started, or None where stderr is no terminal."""
    import sys

    if not sys.stderr.isatty():
        return None
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )

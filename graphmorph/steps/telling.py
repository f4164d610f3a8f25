"""Says which step of a pipeline it is: in what fails, and beside a progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from graphmorph.errors import GraphmorphError
from graphmorph.manager import Progress
from graphmorph.steps.pipeline import Step


@contextmanager
def told(step: Step) -> Iterator[None]:
    """Put the name of a step in front of what it raises."""
    try:
        yield
    except GraphmorphError as error:
        error.args = (f"{step}: {error}",)
        raise


def progress_of(what: Step | str, count: int | None, progress: Progress | None) -> Progress | None:
    """A progress callback that says of which step (of `count`) the stages are."""
    if progress is None:
        return None
    name = f"step {what.number} of {count}, {what.kind.name}" if isinstance(what, Step) else what

    def saying(stage: str, done: int, total: int) -> None:
        progress(f"{name}: {stage}", done, total)

    return saying

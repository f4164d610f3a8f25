"""Where a result is written."""

from __future__ import annotations

import os
from pathlib import Path

from graphmorph.errors import UsageError


def target_of(model: object, output: str | os.PathLike[str] | None, *, in_place: bool) -> Path | None:
    """The file that a result goes to, or None.

    Raises:
        UsageError: in_place without a file, or beside another output.
    """
    if not in_place:
        return Path(output) if output is not None else None
    if not isinstance(model, str | os.PathLike):
        raise UsageError("--in-place needs a model that is a file")
    if output is not None and Path(output) != Path(model):
        raise UsageError("--in-place and --output exclude each other")
    return Path(model)

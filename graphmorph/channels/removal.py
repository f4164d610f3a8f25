"""Removing elements: every constant is sliced to what is kept, and every size that a node states is rewritten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis, Kept
from graphmorph.channels.constants import Slot
from graphmorph.channels.elements import Axes
from graphmorph.channels.rearranging import rearrange, taken
from graphmorph.channels.resizing.arrangement import Arrangement, Without
from graphmorph.editor import Editor
from graphmorph.errors import RefusedError


def check(analysis: Analysis, kept: Kept) -> list[str]:
    """Why these elements cannot be removed: axes that nothing would be left of. Empty where they can.

    kept: by element id, whether it stays.
    """
    return _problems(analysis, Without(kept))


def _problems(analysis: Analysis, left: Arrangement) -> list[str]:
    found = [f"axis {axis} of constant {slot.name}" for slot in analysis.slots for axis in _emptied(slot.axes, left)]
    found += [f"axis {axis} of tensor {name}" for name, axes in analysis.axes.items() for axis in _emptied(axes, left)]
    return [f"nothing would be left of {axis}" for axis in dict.fromkeys(found)]


def _emptied(axes: Axes, left: Arrangement) -> Iterator[int]:
    for place, axis in enumerate(axes):
        if axis is not None and (places := left.of(axis)) is not None and not places.size:
            yield place


def remove(
    analysis: Analysis, kept: Kept, editor: Editor, edited: Mapping[Slot, NDArray[np.float64]] | None = None
) -> None:
    """Stage the removal of elements, in an edit that has begun. What is analysed must be what the editor edits.

    kept: by element id, whether it stays; made by `Analysis.kept_without`. edited: constants that get other values,
    at their old sizes and not yet rounded; what is kept of them is sliced in the same edit.

    Raises:
        RefusedError: an axis would be empty, a node states a size in a way that cannot be rewritten, or a value leaves
            the range of its type. Nothing was edited then.
    """
    left = Without(kept)
    problems = _problems(analysis, left)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise RefusedError(f"{problems[0]}{more}: keep at least one element of it")
    new_values = {slot: taken(analysis, slot, left, values) for slot, values in (edited or {}).items()}
    rearrange(analysis, left, editor, new_values)

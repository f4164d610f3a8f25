"""Axes with copies: behind every run of places of one unit come its copies, as blocks.

That keeps the copies of a channel that was flattened (c h w) beside each other, as the channel's own elements are; and
where a unit is one element here and there (the same channel of every group), each has its copy next to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.elements import Ids
from graphmorph.channels.resizing.arrangement import Arrangement, Places


class WithCopies(Arrangement):
    """copies: by label of a component, how many copies of it there will be beside it."""

    def __init__(self, analysis: Analysis, copies: NDArray[np.int64]) -> None:
        super().__init__()
        self.label, self.copies = analysis.components.label, copies

    def arranged(self, ids: Ids) -> Places:
        labels = self.label[ids]
        counts = self.copies[labels]
        if not counts.any():
            return np.arange(ids.size)
        ends = [*(np.flatnonzero(np.diff(labels)) + 1).tolist(), ids.size]
        starts = [0, *ends[:-1]]
        runs = zip(starts, ends, counts[starts].tolist(), strict=True)
        return np.concatenate([np.tile(np.arange(start, end), count + 1) for start, end, count in runs])

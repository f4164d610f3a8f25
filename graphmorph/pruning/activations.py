"""What calibration data say of groups of channels: for the criteria that look at activations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graphmorph.activations.rows import ChannelRows
from graphmorph.channels.analysis import Analysis
from graphmorph.channels.criteria import Criterion
from graphmorph.channels.groups import Group
from graphmorph.graph import constant_array
from graphmorph.pruning.choice import Activations
from graphmorph.pruning.readers import GroupReader, readers_by_group
from graphmorph.pruning.sums import WIDEST, Capturing, Wanted, captured
from graphmorph.regression.selection import contributions, entry_penalties

_STATISTICS = ("mean-activation", "apoz")


def activations_of(analysis: Analysis, criterion: Criterion, capturing: Capturing) -> Activations:
    """Of every group, as the first layer that reads it by constant weights sees it; nothing for other criteria."""
    if criterion.name in _STATISTICS:
        return Activations(statistics=_statistics(analysis, criterion, capturing))
    if criterion.name == "reconstruction":
        scores = _reconstruction(analysis, criterion, capturing)
        return Activations(reconstruction=lambda group: scores.get(group.name))
    return Activations()


def _statistics(analysis: Analysis, criterion: Criterion, capturing: Capturing) -> dict[str, NDArray[np.float64]]:
    """(units, places) mean |x|, or share of zeros."""
    first = {name: found[0] for name, found in readers_by_group(analysis).items()}
    wanted = {
        name: Wanted(one.reader.tensor, ChannelRows(one.reader.axis), one.reader.channels, gram=False)
        for name, one in first.items()
    }
    sums = captured(list(wanted.values()), capturing)
    found = {}
    for name, one in first.items():
        moments = sums[wanted[name]]
        values = moments.absolute / moments.count if criterion.name == "mean-activation" else moments.share_of_zeros
        found[name] = values[one.positions]
    return found


def _reconstruction(analysis: Analysis, criterion: Criterion, capturing: Capturing) -> dict[str, NDArray[np.float64]]:
    """(units,) how early each unit is needed to rebuild what the layer that reads it makes (CompNet algorithm 3, by
    iiLasso on the Gram matrix of what it reads)."""
    first: dict[str, GroupReader] = {}
    for name, found in readers_by_group(analysis).items():
        narrow = [g for g in found if g.reader.group == 1 and g.reader.channels * g.reader.taps <= WIDEST]
        if narrow:
            first[name] = narrow[0]
    wanted = {
        name: Wanted(one.reader.tensor, one.reader.rows(), one.reader.channels * one.reader.taps, gram=True)
        for name, one in first.items()
    }
    sums = captured(list(wanted.values()), capturing, criterion.seed)
    return {
        name: _needed(one, sums[wanted[name]].gram, group)
        for group in analysis.groups
        if (name := group.name) in first
        for one in (first[name],)
    }


def _needed(one: GroupReader, gram: NDArray[np.float64], group: Group) -> NDArray[np.float64]:
    """Channels of other groups that the layer reads are candidates of their own."""
    reader = one.reader
    weight = reader.matrix(constant_array(reader.weight).astype(np.float64)).T
    unit = np.arange(group.size, group.size + reader.channels)
    unit[one.positions] = np.arange(group.size)[:, None]
    _, candidate = np.unique(unit, return_inverse=True)
    problem = contributions(gram, gram @ weight, weight, channels=np.repeat(candidate, reader.taps))
    scores: NDArray[np.float64] = entry_penalties(problem)[: group.size]
    return scores

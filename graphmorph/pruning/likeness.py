"""Which units of each group do the same on data, as the first layer that reads them sees them."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from graphmorph.activations.capture import capture
from graphmorph.activations.channel_similarity import ChannelSimilarity
from graphmorph.activations.histogram import Histogram
from graphmorph.channels.analysis import Analysis
from graphmorph.channels.merging import GroupMerge, alike, unmergeable
from graphmorph.channels.outgoing import Outgoing
from graphmorph.errors import UsageError
from graphmorph.proof.user_data import UserData
from graphmorph.pruning.readers import GroupReader, readers_by_group


@dataclass(frozen=True)
class Likeness:
    """Pairs are alike whose mean cosine is above `factor` times that of all pairs of the group, or above `threshold`,
    and whose distributions over `bins` bins differ nowhere by as much as `distance` (Chebyshev). groups: globs."""

    factor: float = 2.0
    threshold: float | None = None
    distance: float = 0.8
    bins: int = 32
    groups: tuple[str, ...] = ()

    def wants(self, name: str) -> bool:
        return not self.groups or any(fnmatchcase(name, glob) for glob in self.groups)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What is summed up of the activation that a group's first reader sees."""

    reader: GroupReader
    similarity: ChannelSimilarity
    histogram: Histogram


def merges_of(analysis: Analysis, likeness: Likeness, data: UserData) -> tuple[list[GroupMerge], dict[str, str]]:
    """What is to be merged in every group that was looked at, and by name of a group, why it was not.

    Raises:
        UsageError: data that do not fit, or globs that no group fits.
    """
    wanted = [group for group in analysis.groups if likeness.wants(group.name)]
    if likeness.groups and not wanted:
        raise UsageError(f"no group is called {', '.join(likeness.groups)}")
    refused = {name: why for name, why in unmergeable(analysis, Outgoing(analysis)).items() if likeness.wants(name)}
    readers = readers_by_group(analysis)
    for group in wanted:
        if group.name not in readers:
            refused.setdefault(group.name, "no layer reads it by constant weights")
    seen = {
        group.name: _seen(readers[group.name][0], likeness)
        for group in wanted
        if group.size > 1 and group.name not in refused
    }
    _capture(analysis, seen, data)
    merges = []
    for group in wanted:
        if group.name in seen:
            similarity, distance = _compared(seen[group.name])
            mean = float(similarity[np.triu_indices(group.size, 1)].mean())
            above = likeness.factor * mean if likeness.threshold is None else likeness.threshold
            pairs = alike(similarity, distance, above=above, below=likeness.distance)
            merges.append(GroupMerge(analysis, group, pairs, mean, above))
    return merges, refused


def _seen(reader: GroupReader, likeness: Likeness) -> _Seen:
    channels, axis = reader.reader.channels, reader.reader.axis
    return _Seen(reader, ChannelSimilarity(channels, axis), Histogram(channels, axis, bins=likeness.bins))


def _capture(analysis: Analysis, seen: dict[str, _Seen], data: UserData) -> None:
    listeners: dict[str, list[ChannelSimilarity | Histogram]] = {}
    for one in seen.values():
        listeners.setdefault(one.reader.reader.tensor, []).extend((one.similarity, one.histogram))
    if listeners:
        oracle = analysis.facts.oracle
        runtime = oracle.runtime if oracle is not None else None
        capture(analysis.facts.graph, {name: list(found) for name, found in listeners.items()}, data, runtime=runtime)


def _compared(seen: _Seen) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(units, units) mean similarity over the places of a unit, and the largest distance of any."""
    positions, cosines, shares = seen.reader.positions, seen.similarity.mean, seen.histogram.distribution
    units, places = positions.shape
    similarity, distance = np.zeros((units, units)), np.zeros((units, units))
    for place in positions.T:
        similarity += cosines[np.ix_(place, place)] / places
        for row, channel in enumerate(place.tolist()):
            apart = np.abs(shares[place] - shares[channel]).max(axis=1)
            distance[row] = np.maximum(distance[row], apart)
    return similarity, distance

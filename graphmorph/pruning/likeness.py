"""Which units of each group do the same on data, as the first node that reads them sees them."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.activations.capture import capture
from graphmorph.activations.channel_similarity import ChannelSimilarity
from graphmorph.activations.histogram import Histogram
from graphmorph.channels.analysis import Analysis
from graphmorph.channels.groups import Group
from graphmorph.channels.merging import GroupMerge, alike, unmergeable
from graphmorph.channels.outgoing import Outgoing
from graphmorph.errors import UsageError
from graphmorph.proof.user_data import UserData

Array = NDArray[np.float64]


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


class UnitMaps:
    """Sums over the maps of units: of one element each, or of several (a flattened channel, a head).

    tensor, axis: where they are read. positions: (units, places) along the axis.
    """

    def __init__(self, tensor: str, axis: int, positions: NDArray[np.int64], bins: int) -> None:
        self.tensor, self._axis, self._positions = tensor, axis, positions
        self._similarity = ChannelSimilarity(len(positions), -1)
        self._histogram = Histogram(len(positions), -1, bins=bins)

    def update(self, activation: NDArray[Any]) -> None:
        """Add one batch."""
        samples = activation if self._axis else activation[None]
        maps = np.moveaxis(samples, self._axis or 1, -1)[..., self._positions]
        units_last = np.swapaxes(maps, -1, -2)
        self._similarity.update(units_last)
        self._histogram.update(units_last)

    @property
    def similarity(self) -> Array:
        """(units, units) mean cosine over samples. Those in which a unit is silent count for no pair of it, so that
        equal units are entirely alike."""
        mean = self._similarity.mean
        shown = np.sqrt(np.diag(mean))
        scale = np.outer(shown, shown)
        cosines: Array = np.divide(mean, scale, out=np.zeros_like(mean), where=scale > 0)
        return cosines

    @property
    def distance(self) -> Array:
        """(units, units) largest difference between shares of a bin."""
        shares = self._histogram.distribution
        return np.stack([np.abs(shares - one).max(axis=1) for one in shares])


def merges_of(analysis: Analysis, likeness: Likeness, data: UserData) -> tuple[list[GroupMerge], dict[str, str]]:
    """What is to be merged in every group that was looked at, and by name of a group, why it was not.

    Raises:
        UsageError: data that do not fit, or globs that no group fits.
    """
    wanted = [group for group in analysis.groups if likeness.wants(group.name)]
    if likeness.groups and not wanted:
        raise UsageError(f"no group is called {', '.join(likeness.groups)}")
    refused = {name: why for name, why in unmergeable(analysis, Outgoing(analysis)).items() if likeness.wants(name)}
    seen: dict[str, UnitMaps] = {}
    for group in wanted:
        maps = _first_read(analysis, group, likeness.bins)
        if maps is None:
            refused.setdefault(group.name, "nobody reads all of its units equally often")
        elif group.name not in refused and group.size > 1:
            seen[group.name] = maps
    _capture(analysis, seen, data)
    return [_merge(analysis, group, seen[group.name], likeness) for group in wanted if group.name in seen], refused


def _merge(analysis: Analysis, group: Group, maps: UnitMaps, likeness: Likeness) -> GroupMerge:
    similarity = maps.similarity
    mean = float(similarity[np.triu_indices(group.size, 1)].mean())
    above = likeness.factor * mean if likeness.threshold is None else likeness.threshold
    return GroupMerge(
        analysis, group, alike(similarity, maps.distance, above=above, below=likeness.distance), mean, above
    )


def _first_read(analysis: Analysis, group: Group, bins: int) -> UnitMaps | None:
    """The maps of a group's units, where a node first sums, or takes maxima, over them."""
    for read in analysis.reads:
        tensor = analysis.facts.producer[read.node].inputs[read.index]
        axes = analysis.axes.get(tensor.name)
        ids = None if axes is None or isinstance(tensor, gs.Constant) else axes[read.axis]
        if ids is None:
            continue
        labels = analysis.components.label[ids]
        places = np.flatnonzero(np.isin(labels, group.units))
        if places.size:
            order = np.argsort(group.units)
            units = order[np.searchsorted(group.units[order], labels[places])]
            counts = np.bincount(units, minlength=group.size)
            if (counts == counts[0]).all():
                positions = places[np.argsort(units, kind="stable")].reshape(group.size, -1)
                return UnitMaps(str(tensor.name), read.axis, positions, bins)
    return None


def _capture(analysis: Analysis, seen: dict[str, UnitMaps], data: UserData) -> None:
    listeners: dict[str | tuple[str, ...], list[UnitMaps]] = {}
    for one in seen.values():
        listeners.setdefault(one.tensor, []).append(one)
    if listeners:
        oracle = analysis.facts.oracle
        runtime = oracle.runtime if oracle is not None else None
        capture(analysis.facts.graph, listeners, data, runtime=runtime)

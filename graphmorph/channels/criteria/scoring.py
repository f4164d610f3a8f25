"""Scores of the units of all groups, comparable between groups where they are normalised."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.criteria.criterion import Aggregation, Criterion, Normalisation, Reconstruction, Statistics
from graphmorph.channels.criteria.weights import LayerScores, WeightCriteria
from graphmorph.channels.groups import Group
from graphmorph.errors import RefusedError, UsageError

_AGGREGATE: dict[Aggregation, Callable[..., NDArray[np.float64]]] = {"mean": np.mean, "sum": np.sum, "max": np.max}
_NORMALISE: dict[Normalisation, Callable[[NDArray[np.float64]], float]] = {
    "mean": lambda values: float(values.mean()),
    "max": lambda values: float(values.max()),
    "none": lambda values: 1.0,
}


@dataclass(frozen=True, eq=False)
class Scores:
    """(units,) importance of the units of a group; larger stays.

    note: why the criterion does not apply to this group; the l2 norm is given instead.
    """

    group: Group
    values: NDArray[np.float64]
    note: str | None = None


def score(
    analysis: Analysis,
    criterion: Criterion,
    *,
    groups: Sequence[Group] | None = None,
    statistics: Statistics | None = None,
    reconstruction: Reconstruction | None = None,
) -> list[Scores]:
    """Scores of groups (default: all), in their order.

    A group to which the criterion does not apply (no normalisation, nobody who reads it by weights, no statistics) is
    scored by the l2 norm of the weights that make it, and says so in `note`.

    Args:
        statistics: for mean-activation the mean of |x|, for apoz the share of zeros, by group.
        reconstruction: for reconstruction, how much each unit is needed (by iiLasso on the Gram matrix of a group).

    Raises:
        UsageError: the criterion needs activations, and none are given.
        RefusedError: a score is not finite.
    """
    scoring = _Scoring(analysis, criterion, statistics, reconstruction)
    return scoring.run(analysis.groups if groups is None else groups)


class _Scoring:
    def __init__(
        self,
        analysis: Analysis,
        criterion: Criterion,
        statistics: Statistics | None,
        reconstruction: Reconstruction | None,
    ) -> None:
        self._weights = WeightCriteria(analysis.facts)
        self._criterion = criterion
        self._statistics, self._reconstruction = statistics, reconstruction
        given = {"mean-activation": statistics, "apoz": statistics, "reconstruction": reconstruction}
        if criterion.name in given and given[criterion.name] is None:
            raise UsageError(f"criterion {criterion.name} needs activations: give calibration data")

    def run(self, groups: Sequence[Group]) -> list[Scores]:
        return [self._group(group) for group in groups]

    def _group(self, group: Group) -> Scores:
        layers, note = self._layers(group), None
        if isinstance(layers, str):
            note = f"{layers}: scored by the l2 norm instead"
            layers = self._weights.norms(group, replace(self._criterion, name="l2", members="producers"))
        values = _AGGREGATE[self._criterion.aggregation](layers, axis=0)
        if not np.isfinite(values).all():
            named = ", ".join(dict.fromkeys(member.slot.name for member in group.members))
            what = f"the {self._criterion.name} scores of group {group.name}"
            raise RefusedError(f"{what} are not all finite: look at the values of {named}")
        divisor = _NORMALISE[self._criterion.normalisation](values)
        return Scores(group, values / divisor if divisor > 0.0 else values, note)

    def _layers(self, group: Group) -> LayerScores:
        match self._criterion.name:
            case "l1" | "l2":
                return self._weights.norms(group, self._criterion)
            case "bn-scale":
                return self._weights.scales(group)
            case "geometric-median":
                return self._weights.distances(group)
            case "kse":
                return self._weights.kernels(group, self._criterion)
            case "random":
                return [_random(group, self._criterion.seed)]
            case "mean-activation":
                return self._activation(group, np.abs)
            case "apoz":
                return self._activation(group, lambda zeros: 1.0 - zeros)
            case "reconstruction":
                return self._reconstructed(group)

    def _activation(
        self, group: Group, importance: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    ) -> LayerScores:
        """By statistics of the channels of every unit: mean |x|, or the average percentage of zeros (APoZ; Hu et al.,
        Network trimming, 2016, equation 1), of which few are good."""
        found = (self._statistics or {}).get(group.name)
        if found is None:
            return "no activations of it were seen"
        return [importance(_per_unit(found, group, "statistics")).mean(axis=1)]

    def _reconstructed(self, group: Group) -> LayerScores:
        found = self._reconstruction(group) if self._reconstruction is not None else None
        if found is None:
            return "no activations of its readers were seen"
        return [_per_unit(found, group, "reconstruction scores").mean(axis=1)]


def _per_unit(found: NDArray[np.float64], group: Group, what: str) -> NDArray[np.float64]:
    """(units, places) of numbers that are (units,) or (units, places)."""
    values = np.asarray(found, np.float64)
    if values.ndim not in (1, 2) or values.shape[0] != group.size:
        raise UsageError(f"{what} of group {group.name} have shape {values.shape}, not ({group.size}, places)")
    return values.reshape(group.size, -1)


def _random(group: Group, seed: int) -> NDArray[np.float64]:
    """Uniform numbers of the group's own: other groups do not change them."""
    return np.random.default_rng([seed, zlib.crc32(group.name.encode())]).random(group.size)

"""Merging units that do the same: two become one (AdapNet, section 3.2, algorithm 3).

What makes a merged unit (filters, biases, entries of normalisations) is the mean of both; the weights that read it are
their sum, which changes nothing where the units are equal, or the paper's mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.constants import Slot
from graphmorph.channels.groups import Group
from graphmorph.channels.outgoing import Outgoing
from graphmorph.graph import constant_array

MergedWeights = Literal["sum", "mean"]


@dataclass(frozen=True)
class Pair:
    """Units (indices) of a group: `second` is merged into `first`."""

    first: int
    second: int
    similarity: float
    distance: float


@dataclass(frozen=True, eq=False)
class GroupMerge:
    """What is merged in one group. mean: similarity of its units. threshold: what pairs had to exceed."""

    analysis: Analysis
    group: Group
    pairs: Sequence[Pair]
    mean: float
    threshold: float


def alike(similarity: NDArray[np.float64], distance: NDArray[np.float64], *, above: float, below: float) -> list[Pair]:
    """Pairs of units of a similarity above one threshold and a distance below another: the most similar first, each
    unit in one pair at most. The lower index of a pair stays.

    similarity, distance: (units, units), symmetric.
    """
    first, second = np.triu_indices(len(similarity), 1)
    wanted = (similarity[first, second] > above) & (distance[first, second] < below)
    first, second = first[wanted], second[wanted]
    order = np.argsort(-similarity[first, second], kind="stable")
    pairs: list[Pair] = []
    taken: set[int] = set()
    for one, other in zip(first[order].tolist(), second[order].tolist(), strict=True):
        if one not in taken and other not in taken:
            taken |= {one, other}
            pairs.append(Pair(one, other, float(similarity[one, other]), float(distance[one, other])))
    return pairs


def merged_away(groups: Sequence[GroupMerge]) -> NDArray[np.int64]:
    """Labels of the units that go."""
    gone = [one.group.units[[pair.second for pair in one.pairs]] for one in groups if one.pairs]
    return np.concatenate([np.zeros(0, np.int64), *gone])


def merged_values(
    analysis: Analysis, groups: Sequence[GroupMerge], weights: MergedWeights = "sum"
) -> dict[Slot, NDArray[np.float64]]:
    """What constants hold where merged units are, at the old sizes. The entries of units that go are not changed."""
    outgoing = Outgoing(analysis).weights
    values: dict[Slot, NDArray[np.float64]] = {}
    for one in groups:
        if not one.pairs:
            continue
        first, second = [pair.first for pair in one.pairs], [pair.second for pair in one.pairs]
        for member in one.group.members:
            array = constant_array(analysis.facts.tensors[member.slot.name])
            if array.dtype.kind in "iub":
                continue
            if member.slot not in values:
                values[member.slot] = array.astype(np.float64)
            rows = np.moveaxis(values[member.slot], member.axis, 0)  # a view: it is written into
            factor = 1.0 if weights == "sum" and (member.slot, member.axis) in outgoing else 0.5
            into, away = member.positions[first], member.positions[second]
            rows[into] = factor * (rows[into] + rows[away])
    return values


def unmergeable(analysis: Analysis, outgoing: Outgoing) -> dict[str, str]:
    """By name of a group, why two of its units that are equal cannot be one."""
    found: dict[str, str] = {}
    for obstacle in outgoing.obstacles:
        if obstacle.maximum:
            continue
        marked = np.zeros(analysis.components.walled.size, np.bool_)
        marked[obstacle.labels] = True
        for group in analysis.groups:
            if marked[group.units].any():
                found.setdefault(group.name, str(obstacle.reason))
    return found

"""Whether a layer needs another filter (AdapNet, section 3.3, algorithm 4): its filters do not focus on concepts.

    P1 = |Active| / n - 0.3      P2 = 0.7 - sum of Active,      each / 0.7 if positive, else / 0.3: in [-1, 1]

Readings. P1 and P2 are summed over the filters and looked at once, after the loop: where the braces of algorithm 4 are,
a layer would get a filter for each of its filters. The largest gap between the sorted entries of a row divides it, the
first of equals from the top; where all are equal nothing is divided, and all are active. Filters that were never seen
in a concept, which have no distribution, are left out. Where layers are tied, the sums go over the filters of all that
have a say, as they do over those of one. The divisors are those that bring each range to [-1, 1]: 1 - 0.3 and 0.3, 0.7
and 1 - 0.7, so that they follow where the configuration has other numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.correlation import Correlation
from graphmorph.training.adapnet.decisions import Insertion
from graphmorph.training.adapnet.evidence import LayerEvidence, telling

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Demand:
    """p1, p2: (filters,) of algorithm 4, sums over the layers of a group; zeros for filters that were not seen."""

    p1: Array
    p2: Array

    @property
    def is_positive(self) -> bool:
        """Whether another filter is needed."""
        return float(self.p1.sum()) > 0 or float(self.p2.sum()) > 0


def active(row: Array) -> NDArray[np.bool_]:
    """Which entries of a row lie above its largest gap."""
    order = np.argsort(-row, kind="stable")
    gaps = -np.diff(row[order])
    chosen = np.zeros(row.size, np.bool_)
    count = int(gaps.argmax()) + 1 if gaps.max(initial=0.0) > 0 else row.size
    chosen[order[:count]] = True
    return chosen


def demand_of(distributions: Array, active_share: float = 0.3, focus: float = 0.7) -> Demand:
    """Of the filters of one layer, from rows (filters, concepts) that sum up to 1, or are zeros."""
    p1, p2 = np.zeros(len(distributions)), np.zeros(len(distributions))
    for place, row in enumerate(distributions):
        if row.any():
            chosen = active(row)
            p1[place] = _normalised(float(chosen.mean()) - active_share, 1.0 - active_share, active_share)
            p2[place] = _normalised(focus - float(row[chosen].sum()), focus, 1.0 - focus)
    return Demand(p1, p2)


def insertions(
    members: Sequence[LayerEvidence],
    eligible: NDArray[np.bool_],
    correlation: Correlation,
    *,
    active_share: float,
    focus: float,
    random: np.random.Generator,
) -> list[Insertion]:
    """One new filter, or none. Its master is drawn from the eligible filters whose own P1 or P2 is above 0; where none
    of these is eligible, nothing is inserted."""
    demands = [demand_of(one.distributions, active_share, focus) for one in telling(members)]
    if not demands:
        return []
    demand = Demand(np.sum([one.p1 for one in demands], axis=0), np.sum([one.p2 for one in demands], axis=0))
    masters = np.flatnonzero(eligible & ((demand.p1 > 0) | (demand.p2 > 0)))
    if not demand.is_positive or not masters.size:
        return []
    master = int(random.choice(masters))
    sums = float(demand.p1.sum()), float(demand.p2.sum())
    return [Insertion(master, correlation, *sums, float(demand.p1[master]), float(demand.p2[master]))]


def _normalised(value: float, above: float, below: float) -> float:
    return value / (above if value > 0 else below)

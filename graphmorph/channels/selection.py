"""Which units go: by a ratio or a target, never below a floor, in widths that run fast.

Within a group the least important units go first, so a larger ratio removes what a smaller one does, and more. That
makes the cost fall with the ratio, and the smallest ratio that meets a target can be bisected.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.budget import Allowance, Budget, Candidate, allowance
from graphmorph.channels.costs import Cost
from graphmorph.errors import RefusedError, UsageError

#: What ratio * units may lack of a whole number by rounding.
_SLACK = 1e-9


@dataclass(frozen=True, eq=False)
class GroupSelection:
    """What goes of one group. gone: indices of its units, ascending. limit: why not as many went as were `wanted`."""

    name: str
    size: int
    width: int
    wanted: int
    gone: NDArray[np.int64]
    limit: str | None

    @property
    def kept(self) -> int:
        return self.size - int(self.gone.size)


@dataclass(frozen=True, eq=False)
class Selection:
    """What goes. units: labels, ascending. groups: in the order of the candidates. ratio: that was asked of them."""

    units: NDArray[np.int64]
    groups: tuple[GroupSelection, ...]
    ratio: float


def select(
    candidates: Sequence[Candidate], budget: Budget, cost: Callable[[NDArray[np.int64]], Cost] | None = None
) -> Selection:
    """The units to remove. Equal scores go in the order of candidates and of their units.

    A ratio removes floor(ratio * units), before the floor and the rounding keep some: of each group, or of all groups
    that are not left alone. A target takes the smallest ratio that meets it.

    Args:
        cost: of what is left without some units (`Costs.without`); targets need it.

    Raises:
        UsageError: a target cannot be reached; the message says what is left at the floors.
        RefusedError: a score is not a number.
    """
    for group in candidates:
        if np.isnan(group.scores).any():
            raise RefusedError(f"a score of group {group.name} is not a number")
    ranking = _Ranking(candidates, budget)
    if budget.ratio is not None:
        return ranking.at(budget.ratio)
    if cost is None:
        raise ValueError("a target needs costs")
    return _meet(ranking, budget, cost)


def _meet(ranking: _Ranking, budget: Budget, cost: Callable[[NDArray[np.int64]], Cost]) -> Selection:
    whole = cost(np.zeros(0, np.int64))

    def meets(ratio: float) -> bool:
        left = cost(ranking.at(ratio).units)
        return all(share <= target for _, share, target in _shares(left, whole, budget))

    ratios = ranking.ratios()
    first = bisect_left(range(len(ratios)), True, key=lambda place: meets(ratios[place]))
    if first < len(ratios):
        return ranking.at(ratios[first])
    least = ranking.at(1.0)
    missed = [
        f"{name} {target:g} ({share:.3g} is left)"
        for name, share, target in _shares(cost(least.units), whole, budget)
        if share > target
    ]
    limits = dict.fromkeys(group.limit for group in least.groups if group.limit is not None)
    named = "; ".join([*list(limits)[:4], *(["..."] if len(limits) > 4 else [])]) or "there are no groups"
    raise UsageError(
        f"cannot reach {' and '.join(missed)} with every group at its floor ({named}): "
        "lower round_to or the floor, or keep less"
    )


def _shares(left: Cost, whole: Cost, budget: Budget) -> list[tuple[str, float, float]]:
    """What is left of each cost that has a target: its option, the share, the target."""
    asked = (
        ("target_macs", left.multiply_adds, whole.multiply_adds, budget.target_macs),
        ("target_params", left.parameters, whole.parameters, budget.target_params),
    )
    return [(name, part / max(total, 1), target) for name, part, total, target in asked if target is not None]


class _Ranking:
    """Candidates, and the order in which their units go."""

    def __init__(self, candidates: Sequence[Candidate], budget: Budget) -> None:
        self._candidates, self._budget = candidates, budget
        self._orders = [np.argsort(group.scores, kind="stable") for group in candidates]
        self._sizes = np.array([group.size for group in candidates], np.int64)
        self._free = np.array([not _left_alone(group, budget) for group in candidates], np.bool_)
        owners = np.repeat(np.arange(len(candidates)), self._sizes)
        scores = np.concatenate([np.zeros(0), *(group.scores for group in candidates)])
        order = np.argsort(scores, kind="stable")
        #: Of all units, least important first, the group that each is of.
        self._owners = owners[order][self._free[owners[order]]]

    def ratios(self) -> list[float]:
        """Every ratio at which another unit goes, ascending."""
        if self._budget.scope == "global":
            total = max(self._owners.size, 1)
            return [count / total for count in range(self._owners.size + 1)]
        sizes = np.unique(self._sizes[self._free])
        return sorted({count / size for size in sizes.tolist() for count in range(size + 1)} | {0.0})

    def at(self, ratio: float) -> Selection:
        groups = tuple(
            _of(group, order[: group.size - allowed.kept], allowed)
            for group, order, wanted in zip(self._candidates, self._orders, self._wanted(ratio), strict=True)
            for allowed in (allowance(group, wanted, self._budget),)
        )
        chosen = [group.units[one.gone] for group, one in zip(self._candidates, groups, strict=True)]
        return Selection(np.sort(np.concatenate([np.zeros(0, np.int64), *chosen])), groups, ratio)

    def _wanted(self, ratio: float) -> list[int]:
        """Units that should go, of each group."""
        if self._budget.scope == "global":
            count = int(ratio * self._owners.size + _SLACK)
            wanted = np.bincount(self._owners[:count], minlength=len(self._candidates))
        else:
            wanted = np.floor(ratio * self._sizes + _SLACK)
        return [int(number) for number in wanted]


def _left_alone(group: Candidate, budget: Budget) -> bool:
    return allowance(group, group.size, budget).kept == group.size


def _of(group: Candidate, gone: NDArray[np.int64], allowed: Allowance) -> GroupSelection:
    return GroupSelection(group.name, group.size, group.width, allowed.wanted, np.sort(gone), allowed.limit)

"""How much is to go, and how much of each group may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from math import ceil, gcd
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.criteria.scoring import Scores
from graphmorph.errors import UsageError
from graphmorph.facts import Facts
from graphmorph.option_values import require_share, require_whole


@dataclass(frozen=True)
class Budget:
    """How much goes: a `ratio` of the units, or as little as meets the targets.

    ratio: the share of units to remove. scope: of each group ("layer"), or of all units in the order of their scores
    ("global"); a target raises the ratio of that scope. target_macs, target_params: the share of multiply-adds and of
    parameters that may be left. round_to: the channels that a group keeps are rounded up to a multiple of it; a group
    that is too small for that stays whole. floor, floor_fraction: the units that every group keeps at least, as a
    number and as a share. keep: globs of node names or of their outputs; groups that touch one of them stay whole.
    """

    ratio: float | None = None
    scope: Literal["layer", "global"] = "layer"
    target_macs: float | None = None
    target_params: float | None = None
    round_to: int = 8
    floor: int = 1
    floor_fraction: float = 0.0
    keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        targets = self.target_macs is not None or self.target_params is not None
        if (self.ratio is not None) == targets:
            raise UsageError("give either a ratio, or a target of multiply-adds or parameters")
        for name in ("ratio", "target_macs", "target_params", "floor_fraction"):
            share = getattr(self, name)
            if share is not None:
                require_share(name, share)
        for name in ("round_to", "floor"):
            require_whole(name, getattr(self, name), least=1)
        if self.scope not in ("layer", "global"):
            raise UsageError(f"scope {self.scope!r} is none of layer, global")


@dataclass(frozen=True, eq=False)
class Candidate:
    """A group that may lose units.

    units: (units,) labels. scores: (units,) importance. width: channels of one unit, in the layer that makes it.
    nodes: names of the nodes that touch the group, and of their first outputs.
    """

    name: str
    units: NDArray[np.int64]
    scores: NDArray[np.float64]
    width: int = 1
    nodes: frozenset[str] = frozenset()

    @property
    def size(self) -> int:
        return int(self.units.size)


def candidate(scores: Scores, facts: Facts) -> Candidate:
    """A scored group as a candidate."""
    group = scores.group
    outputs = {use.node for member in group.members for use in member.slot.uses}
    names = {str(facts.producer[output].name) for output in outputs if output in facts.producer}
    width = int(group.members[0].positions.shape[1])
    return Candidate(group.name, group.units, scores.values, width, frozenset(outputs | names))


def require_matches(keep: Sequence[str], facts: Facts) -> None:
    """See that every glob keeps something.

    Raises:
        UsageError: one matches neither the name of a node nor that of its output.
    """
    names = {str(name) for node in facts.order if node.outputs for name in (node.name, node.outputs[0].name)}
    for glob in keep:
        if not any(fnmatchcase(name, glob) for name in names):
            near = get_close_matches(glob, names, n=3)
            hint = f"; there is {', '.join(near)}" if near else ""
            raise UsageError(f"keep {glob}: no node has such a name{hint}")


@dataclass(frozen=True)
class Allowance:
    """How many units of a group stay, when `wanted` of them should go; `limit` says what kept some of those."""

    wanted: int
    kept: int
    limit: str | None = None


def allowance(group: Candidate, wanted: int, budget: Budget) -> Allowance:
    """Never fewer units stay when fewer should go."""
    glob = next((g for g in budget.keep if any(fnmatchcase(name, g) for name in group.nodes)), None)
    if glob is not None:
        return Allowance(wanted, group.size, f"kept by {glob!r}")
    least = min(group.size, max(budget.floor, ceil(budget.floor_fraction * group.size)))
    kept = max(group.size - wanted, least)
    limit = f"floor of {least}" if kept > group.size - wanted else None
    step = budget.round_to // gcd(budget.round_to, group.width)
    rounded = min(group.size, ceil(kept / step) * step)
    if rounded > kept:
        limit = f"{kept * group.width} channels rounded up to {rounded * group.width} (round_to {budget.round_to})"
    return Allowance(wanted, rounded, limit)

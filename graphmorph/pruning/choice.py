"""What goes: units chosen by a plan, or by a criterion and a budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis, Kept
from graphmorph.channels.budget import Budget, candidate, require_matches
from graphmorph.channels.costs import Cost, Costs
from graphmorph.channels.criteria import Criterion, Reconstruction, Statistics, score
from graphmorph.channels.selection import Selection, select
from graphmorph.pruning.plan import RemovalPlan, units_of

if TYPE_CHECKING:
    from graphmorph.channels.groups import Group


@dataclass(frozen=True)
class Activations:
    """What calibration data say of groups, for the criteria that ask for it."""

    statistics: Statistics | None = None
    reconstruction: Reconstruction | None = None


#: Gives what a criterion needs of activations, for an analysis.
Calibrate = Callable[[Analysis, Criterion], Activations]


@dataclass(frozen=True, eq=False)
class Chosen:
    """units: labels of what goes. kept: by element id. selection: per group, where a budget decided. notes: per group
    that a criterion could not score."""

    analysis: Analysis
    units: NDArray[np.int64]
    kept: Kept
    before: Cost
    after: Cost
    selection: Selection | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def groups(self) -> list[tuple[Group, NDArray[np.int64]]]:
        """Every group, and which of its units go (indices)."""
        gone = set(self.units.tolist())
        return [
            (group, np.flatnonzero([unit in gone for unit in group.units.tolist()])) for group in self.analysis.groups
        ]


def choose(
    analysis: Analysis,
    wanted: Budget | RemovalPlan,
    criterion: Criterion | None = None,
    calibrate: Calibrate | None = None,
) -> Chosen:
    """The units that go.

    Raises:
        UsageError: the plan does not fit the model, a target cannot be reached, or the criterion needs activations.
    """
    costs = Costs(analysis)
    if isinstance(wanted, RemovalPlan):
        units = units_of(analysis, wanted)
        return _chosen(analysis, costs, units)
    require_matches(wanted.keep, analysis.facts)
    criterion = criterion or Criterion()
    known = calibrate(analysis, criterion) if calibrate is not None else Activations()
    scores = (
        score(analysis, criterion, statistics=known.statistics, reconstruction=known.reconstruction)
        if analysis.groups
        else []
    )
    selection = select([candidate(one, analysis.facts) for one in scores], wanted, costs.without)
    notes = [f"group {one.group.name}: {one.note}" for one in scores if one.note]
    return _chosen(analysis, costs, selection.units, selection, notes)


def _chosen(
    analysis: Analysis,
    costs: Costs,
    units: NDArray[np.int64],
    selection: Selection | None = None,
    notes: list[str] | None = None,
) -> Chosen:
    kept = analysis.kept_without(units)
    before, after = costs.of(analysis.all_kept()), costs.of(kept)
    return Chosen(analysis, units, kept, before, after, selection, notes or [])

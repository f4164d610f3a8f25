"""What a pruning did, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from graphmorph.channels.costs import Cost
from graphmorph.pruning.change import Change, Latency
from graphmorph.report import ModelSummary, PassReport

if TYPE_CHECKING:
    from graphmorph.channels.walls import Wall
    from graphmorph.proof import Proof
    from graphmorph.pruning.choice import Chosen


@dataclass(frozen=True)
class GroupReport:
    """A group of `units`, `removed` of which went. width: channels of a unit. limit: why not more of them went."""

    name: str
    units: int
    width: int
    removed: int
    limit: str | None


@dataclass(frozen=True)
class RepairReport:
    """A layer whose weights were fitted again. r_squared: how much of its own output it gives back without the
    removed channels, before the fit and after, on the calibration data."""

    node: str
    r_squared_before: float
    r_squared_after: float


@dataclass
class PruneReport:
    """cost_before, cost_after: of one sample. removal: the proof against the original with the removed channels masked.
    change: how far the result is from the original. nothing: why nothing at all was removed. seconds: by phase."""

    model: str
    before: ModelSummary
    after: ModelSummary
    cost_before: Cost
    cost_after: Cost
    groups: list[GroupReport]
    walls: list[Wall]
    passes: list[PassReport]
    removal: Proof | None = None
    change: Change | None = None
    latency: Latency | None = None
    nothing: str | None = None
    repairs: list[RepairReport] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def parameters_left(self) -> float:
        """Share of the parameters."""
        return self.cost_after.parameters / max(self.cost_before.parameters, 1)

    @property
    def macs_left(self) -> float:
        """Share of the multiply-adds."""
        return self.cost_after.multiply_adds / max(self.cost_before.multiply_adds, 1)

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "cost_before": asdict(self.cost_before),
            "cost_after": asdict(self.cost_after),
            "parameters_left": self.parameters_left,
            "macs_left": self.macs_left,
            "groups": [asdict(group) for group in self.groups],
            "walls": [wall.to_json() for wall in self.walls],
            "passes": [one.to_json() for one in self.passes],
            "removal": self.removal.to_json() if self.removal else None,
            "change": self.change.to_json() if self.change else None,
            "latency": self.latency.to_json() if self.latency else None,
            "nothing": self.nothing,
            "repairs": [asdict(repair) for repair in self.repairs],
            "files": self.files,
            "notes": self.notes,
            "seconds": self.seconds,
        }


def group_reports(chosen: Chosen) -> list[GroupReport]:
    """What went of every group."""
    limits = {one.name: one.limit for one in chosen.selection.groups} if chosen.selection is not None else {}
    return [
        GroupReport(
            group.name, group.size, int(group.members[0].positions.shape[1]), int(rows.size), limits.get(group.name)
        )
        for group, rows in chosen.groups
    ]

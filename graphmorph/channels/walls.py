"""Which layers must keep their channels, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.criteria.roles import role
from graphmorph.channels.elements import Ids, Reason


@dataclass(frozen=True)
class Wall:
    """A layer that makes `channels` channels, all of which must stay, and the conditions that say so."""

    node: str
    op: str
    channels: int
    reasons: tuple[Reason, ...]

    def to_json(self) -> dict[str, Any]:
        reasons = [asdict(reason) for reason in self.reasons]
        return {"node": self.node, "op": self.op, "channels": self.channels, "reasons": reasons}

    def __str__(self) -> str:
        return "; ".join(str(reason) for reason in self.reasons) or "its channels meet an axis that has no elements"


class Reasons:
    """An index of all conditions by the components that they touch."""

    def __init__(self, analysis: Analysis) -> None:
        self._label = analysis.components.label
        self._by_label: dict[int, list[Reason]] = defaultdict(list)
        for ids, reason in analysis.elements.walls:
            for label in np.unique(self._label[ids]).tolist():
                self._by_label[label].append(reason)

    def of(self, ids: Ids) -> tuple[Reason, ...]:
        """Every condition that keeps some of these elements, once, those of most elements first."""
        count: dict[Reason, int] = defaultdict(int)
        for label in np.unique(self._label[ids]).tolist():
            for reason in self._by_label.get(label, ()):
                count[reason] += 1
        return tuple(sorted(count, key=lambda reason: -count[reason]))


def walls(analysis: Analysis) -> list[Wall]:
    """Every layer none of whose channels may go, in the order of the graph."""
    return list(_walls(analysis))


def _walls(analysis: Analysis) -> Iterable[Wall]:
    reasons = Reasons(analysis)
    for slot in analysis.slots:
        use = slot.uses[0]
        node = analysis.facts.producer[use.node]
        for axis, ids in enumerate(slot.axes):
            if len(slot.shape) < 2 or slot.shape[axis] < 2 or role(node, use.index, axis, len(slot.shape)) != "output":
                continue
            if ids is None or analysis.components.is_wall(ids).all():
                declined = [analysis.declined[use.node] for use in slot.uses if use.node in analysis.declined]
                why = tuple(declined) if ids is None else reasons.of(ids)
                yield Wall(str(node.name or use.node), node.op, slot.shape[axis], why)

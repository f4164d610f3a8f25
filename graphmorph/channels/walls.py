"""Which layers must keep their channels, and why."""

from __future__ import annotations

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
        walls = analysis.elements.walls
        numbers: dict[Reason, int] = {}
        number = np.array([numbers.setdefault(reason, len(numbers)) for _, reason in walls], np.int64)
        self._reasons = tuple(numbers)
        ids = np.concatenate([np.zeros(0, np.int64), *(ids for ids, _ in walls)])
        wall = np.repeat(np.arange(len(walls)), [ids.size for ids, _ in walls])
        touched, wall = np.divmod(np.unique(self._label[ids] * len(walls) + wall), max(len(walls), 1))
        # The conditions that touch a component, in their order: those of the first component, of the next, and so on.
        self._number = number[wall]
        self._end = np.cumsum(np.bincount(touched, minlength=analysis.components.walled.size))
        self._count = np.diff(self._end, prepend=0)

    def of(self, ids: Ids) -> tuple[Reason, ...]:
        """Every condition that keeps some of these elements, once, those of most elements first."""
        labels = np.unique(self._label[ids])
        count = self._count[labels]
        places = np.arange(count.sum()) + np.repeat(self._end[labels] - np.cumsum(count), count)
        found, first, often = np.unique(self._number[places], return_index=True, return_counts=True)
        return tuple(self._reasons[number] for number in found[np.lexsort((first, -often))].tolist())


def walls(analysis: Analysis) -> list[Wall]:
    """Every layer none of whose channels may go, in the order of the graph."""
    return list(_walls(analysis))


def _walls(analysis: Analysis) -> Iterable[Wall]:
    reasons = Reasons(analysis)
    for slot in (slot for slot in analysis.slots if len(slot.shape) > 1):
        use = slot.uses[0]
        node = analysis.facts.producer[use.node]
        for axis, ids in enumerate(slot.axes):
            if slot.shape[axis] < 2 or role(node, use.index, axis, len(slot.shape)) != "output":
                continue
            if ids is None or analysis.components.is_wall(ids).all():
                declined = [analysis.declined[use.node] for use in slot.uses if use.node in analysis.declined]
                why = tuple(declined) if ids is None else reasons.of(ids)
                yield Wall(str(node.name or use.node), node.op, slot.shape[axis], why)

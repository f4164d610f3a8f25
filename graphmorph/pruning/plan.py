"""A removal as a file: it says by names what goes, and finds the same channels in another form of the model."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.constants import Slot
from graphmorph.channels.criteria.roles import role
from graphmorph.channels.elements import WALL
from graphmorph.channels.groups import Group
from graphmorph.channels.walls import Reasons
from graphmorph.errors import UsageError

FORMAT = "graphmorph removal plan"
VERSION = 1


@dataclass(frozen=True)
class Anchor:
    """An axis of a constant, and which of its entries go. layer: dotted path of the layer that reads it. role: what the
    axis is there ("output", "input", ...)."""

    constant: str
    layer: str
    role: str
    axis: int
    size: int
    removed: tuple[int, ...]


@dataclass(frozen=True)
class PlannedGroup:
    """What goes of one group of `size` units: places in the order of its first anchor, which makes the channels."""

    name: str
    size: int
    anchors: tuple[Anchor, ...]


@dataclass(frozen=True)
class RemovalPlan:
    """What goes of a model. Any one anchor of a group is enough: what else goes follows from the graph."""

    model: str
    groups: tuple[PlannedGroup, ...]

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, "version": VERSION, **asdict(self)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan as JSON."""
        Path(path).write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, source: str | os.PathLike[str] | Mapping[str, Any]) -> RemovalPlan:
        """A plan from its file or from its JSON.

        Raises:
            UsageError: it is no plan, or one of a later version.
        """
        if not isinstance(source, str | os.PathLike | Mapping):
            raise UsageError(f"the plan is a {type(source).__name__}, not a file, its JSON, or a RemovalPlan")
        where = "the plan" if isinstance(source, Mapping) else f"plan {os.fspath(source)}"
        try:
            data = source if isinstance(source, Mapping) else json.loads(Path(source).read_text(encoding="utf-8"))
            if data["format"] != FORMAT or data["version"] != VERSION:
                raise UsageError(f"{where}: version {data['version']} of {data['format']!r}; this reads {VERSION}")
            groups = tuple(_group(one) for one in data["groups"])
            return cls(str(data["model"]), groups)
        except OSError as error:
            raise UsageError(f"{where}: {error.strerror}") from error
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise UsageError(f"{where} is not a {FORMAT}: {error}") from error


def _group(data: Mapping[str, Any]) -> PlannedGroup:
    anchors = tuple(
        Anchor(
            str(a["constant"]),
            str(a["layer"]),
            str(a["role"]),
            _integer(a["axis"]),
            _integer(a["size"]),
            tuple(map(_integer, a["removed"])),
        )
        for a in data["anchors"]
    )
    if not anchors or any(not 0 <= place < a.size for a in anchors for place in a.removed):
        raise ValueError(f"group {data['name']} has an anchor with places outside of its axis, or none")
    return PlannedGroup(str(data["name"]), _integer(data["size"]), anchors)


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is no integer")
    return value


def plan_of(analysis: Analysis, units: NDArray[np.int64], model: str) -> RemovalPlan:
    """Write a removal down. units: labels of components."""
    gone = set(units.tolist())
    groups = []
    for group in analysis.groups:
        rows = np.flatnonzero([unit in gone for unit in group.units.tolist()])
        if rows.size:
            groups.append(PlannedGroup(group.name, group.size, tuple(_anchors(analysis, group, rows))))
    return RemovalPlan(model, tuple(groups))


def _anchors(analysis: Analysis, group: Group, rows: NDArray[np.int64]) -> list[Anchor]:
    return [
        Anchor(
            member.slot.name,
            layer_of(analysis, member.slot),
            _role(analysis, member.slot, member.axis),
            member.axis,
            member.slot.shape[member.axis],
            tuple(sorted(member.positions[rows].reshape(-1).tolist())),
        )
        for member in group.members
    ]


def layer_of(analysis: Analysis, slot: Slot) -> str:
    """Dotted path of the layer that reads a constant first: exporters write /layer1/layer1.0/conv1/Conv."""
    node = analysis.facts.producer[slot.uses[0].node]
    parts = [part for part in str(node.name or slot.uses[0].node).split("/") if part]
    if len(parts) < 2:
        return ".".join(parts)
    path = ""
    for part in parts[:-1]:
        path = part if part.startswith(f"{path}.") else f"{path}.{part}".lstrip(".")
    return path


def _role(analysis: Analysis, slot: Slot, axis: int) -> str:
    use = slot.uses[0]
    return role(analysis.facts.producer[use.node], use.index, axis, len(slot.shape))


def units_of(analysis: Analysis, plan: RemovalPlan) -> NDArray[np.int64]:
    """The units of a plan in this form of the model, by the first anchor of each group that is found in it.

    Raises:
        UsageError: nothing of a group is found, or what would go with it is not what the plan says, or must stay.
    """
    finder = _Finder(analysis)
    labels = [_units(analysis, group, [finder(anchor) for anchor in group.anchors]) for group in plan.groups]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *labels]))


#: A constant, and its axis.
_Place = tuple[Slot, int]


class _Finder:
    """Finds anchors: by the name of the constant, or else by the layer and the role (weights may be transposed, and
    have another name behind a folded normalisation)."""

    def __init__(self, analysis: Analysis) -> None:
        self._by_name: dict[tuple[str, int], list[_Place]] = {}
        self._by_role: dict[tuple[str, str], list[_Place]] = {}
        for slot in analysis.slots:
            layer = layer_of(analysis, slot)
            for axis in range(len(slot.shape)):
                self._by_name.setdefault((slot.name, axis), []).append((slot, axis))
                self._by_role.setdefault((layer, _role(analysis, slot, axis)), []).append((slot, axis))

    def __call__(self, anchor: Anchor) -> _Place | None:
        candidates = self._by_name.get((anchor.constant, anchor.axis), [])
        candidates += self._by_role.get((anchor.layer, anchor.role), [])
        return next(((slot, axis) for slot, axis in candidates if slot.shape[axis] == anchor.size), None)


def _units(analysis: Analysis, group: PlannedGroup, places: Sequence[_Place | None]) -> NDArray[np.int64]:
    for anchor, place in zip(group.anchors, places, strict=True):
        if place is None:
            continue
        slot, axis = place
        ids = slot.axes[axis]
        where = f"the plan removes entries of {slot.name}, axis {axis}"
        if ids is None or (ids[list(anchor.removed)] == WALL).any():
            raise UsageError(f"{where}, which must all stay in this model")
        labels = analysis.components.label[ids]
        units = np.unique(labels[list(anchor.removed)])
        if analysis.components.walled[units].any():
            held = ids[np.isin(labels, units[analysis.components.walled[units]])]
            raise UsageError(f"{where}, which must stay: {'; '.join(map(str, Reasons(analysis).of(held)[:3]))}")
        if np.flatnonzero(np.isin(labels, units)).size != len(anchor.removed):
            raise UsageError(f"{where}, with which more would go in this model than the plan says")
        return units.astype(np.int64)
    names = ", ".join(sorted({anchor.constant for anchor in group.anchors})[:4])
    raise UsageError(f"nothing of group {group.name} of the plan ({names}) is found in this model")

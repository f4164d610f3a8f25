"""Plants channels that an exact removal should find into the groups of a model, and says which of them are legal.

Legal is what arithmetic allows, judged from runs of the planted model and not from what graphmorph knows of its values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.constants import Use
from graphmorph.channels.criteria.roles import roles
from graphmorph.channels.elements import Read
from graphmorph.channels.groups import Group, Member

#: dead: nobody reads it. zero, constant: no weights make it, and no biases either, or some. duplicate: made as another.
Plant = Literal["dead", "zero", "constant", "duplicate"]
PLANTS: tuple[Plant, ...] = get_args(Plant)

#: The share of the units of a group that is planted of each kind.
SHARE = 0.1

#: Operators that sum over what they read with weights of their own, to which a bias can be added where nothing pads.
LINEAR, TAKES_BIAS = ("Conv", "ConvTranspose", "Gemm", "MatMul"), ("Conv", "Gemm", "MatMul")

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Planted:
    """One unit: the group's number, the row of the unit in it, and for a duplicate the row that it is equal to."""

    group: int
    row: int
    plant: Plant
    twin: int = -1


def plant(analysis: Analysis, arrays: Arrays, seed: int = 0) -> list[Planted]:
    """Plant into every group that is large enough. arrays: the constants by name, written into."""
    random = np.random.default_rng(seed)
    planted: list[Planted] = []
    names = [slot.name for slot in analysis.slots]
    shared = {name for name in names if names.count(name) > 1}
    for number, group in enumerate(analysis.groups):
        count = max(1, int(SHARE * group.size))
        order = random.permutation(group.size)
        if group.size < 6 * count or any(member.slot.name in shared for member in group.members):
            continue
        for place, kind in enumerate(PLANTS):
            rows = order[place * count : (place + 1) * count]
            twins = order[len(PLANTS) * count :][:count]
            plant_units(analysis, group, arrays, kind, rows, twins)
            planted += [
                Planted(number, int(row), kind, int(twin) if kind == "duplicate" else -1)
                for row, twin in zip(rows, twins, strict=True)
            ]
    return planted


def plant_units(
    analysis: Analysis, group: Group, arrays: Arrays, kind: Plant, rows: NDArray[np.int64], twins: NDArray[np.int64]
) -> None:
    """Plant one kind into some units of a group, by their rows. twins: what duplicates are made equal to."""
    for member in group.members:
        moved = np.moveaxis(arrays[member.slot.name], member.axis, 0)
        places, there = member.positions[rows].reshape(-1), member.positions[twins].reshape(-1)
        reads = "input" in roles(member, analysis.facts)
        if kind == "duplicate" and not reads:
            moved[places] = moved[there]
        elif (kind == "dead" and reads) or (kind in ("zero", "constant") and _makes(analysis, member, kind)):
            moved[places] = 0


def _makes(analysis: Analysis, member: Member, kind: Plant) -> bool:
    """Whether a constant adds to the channels: its weights; for zeros also biases and means, not scales."""
    found = roles(member, analysis.facts)
    if kind == "constant" or found <= {"output"}:
        return found <= {"output"}
    use = member.slot.uses[0]
    is_mean = analysis.facts.producer[use.node].op == "BatchNormalization" and use.index == 3
    return found <= {"offset"} or is_mean


def operands(analysis: Analysis) -> list[str]:
    """Tensors that are read by summing over channels: what has to be seen to judge."""
    nodes = {str(node.outputs[0].name): node for node in analysis.facts.order if node.outputs}
    return list(dict.fromkeys(str(nodes[read.node].inputs[read.index].name) for read in analysis.reads))


def legal(
    analysis: Analysis, planted: Sequence[Planted], arrays: Arrays, runs: Sequence[Mapping[str, NDArray[Any]]]
) -> list[bool]:
    """For each planted unit, whether it can go exactly. runs: the operands on several inputs."""
    allowed = np.ones(len(planted), np.bool_)
    judges = [_Judge(analysis, read, arrays, runs) for read in analysis.reads]
    by_label: dict[int, list[tuple[_Judge, NDArray[np.int64]]]] = {}
    for judge in judges:
        for label, places in _places(judge.labels):
            by_label.setdefault(label, []).append((judge, places))
    for index, one in enumerate(planted):
        units = analysis.groups[one.group].units
        label, twin = int(units[one.row]), int(units[one.twin]) if one.twin >= 0 else -1
        allowed[index] = all(
            judge.allows(one.plant, places, np.flatnonzero(judge.labels == twin))
            for judge, places in by_label.get(label, [])
        )
    return [bool(fine) for fine in allowed]


def _places(labels: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    order = np.argsort(labels, kind="stable")
    distinct, first = np.unique(labels[order], return_index=True)
    yield from zip(distinct.tolist(), np.split(order, first[1:]), strict=True)


class _Judge:
    """What one read allows. columns: its weights, (columns, ...), where it has some."""

    def __init__(
        self, analysis: Analysis, read: Read, arrays: Arrays, runs: Iterable[Mapping[str, NDArray[Any]]]
    ) -> None:
        self.node = next(n for n in analysis.facts.order if n.outputs and n.outputs[0].name == read.node)
        self.read = read
        axes = analysis.operand(self.node, read.index)
        ids = axes[read.axis] if axes is not None else None
        self.labels = analysis.components.label[ids] if ids is not None else np.zeros(0, np.int64)
        name = self.node.inputs[read.index].name
        seen = [np.moveaxis(run[name] if name in run else arrays[name], read.axis, 0) for run in runs]
        self.values = np.concatenate([array.reshape(array.shape[0], -1) for array in seen], axis=1)
        slot = analysis.slot_of.get(Use(read.node, read.other)) if read.other >= 0 else None
        self.own = (
            slot is not None and len(slot.uses) == 1 and (self.node.op.startswith("Conv") or len(slot.shape) == 2)
        )
        self.nothing = (self.values == 0).all(axis=1) & (read.kind in ("contraction", "sum"))
        if slot is not None:
            weights = np.moveaxis(arrays[slot.name], read.other_axis, 0)
            columns = np.arange(self.labels.size) % weights.shape[0]
            self.nothing |= (weights.reshape(weights.shape[0], -1) == 0).all(axis=1)[columns]
            inner = slot.axes[read.other_axis]
            if weights.shape[0] < self.labels.size:  # a convolution that loses whole groups loses what they read
                self.nothing |= True if inner is None else analysis.components.label[inner][columns] != self.labels
        elif read.other >= 0:
            other = self.node.inputs[read.other].name
            factors = [np.moveaxis(run[other], read.other_axis, 0) for run in runs if other in run]
            if factors:
                self.nothing |= np.all([(a.reshape(a.shape[0], -1) == 0).all(axis=1) for a in factors], axis=0)

    def allows(self, kind: Plant, places: NDArray[np.int64], twins: NDArray[np.int64]) -> bool:
        if self.nothing[places].all():
            return True
        if kind == "dead" or not self.own or self.read.kind != "contraction" or self.read.index:
            return False
        here = self.values[places]
        if kind == "duplicate":
            return (
                self.node.op in LINEAR and here.shape == self.values[twins].shape and _equal(here, self.values[twins])
            )
        return self.node.op in TAKES_BIAS and not self.padded and _equal(here, here[:, :1])

    @property
    def padded(self) -> bool:
        attributes = self.node.attrs
        return any(attributes.get("pads") or ()) or attributes.get("auto_pad", "NOTSET").startswith("SAME")


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return bool(np.allclose(one, other, rtol=1e-5, atol=1e-6 * float(np.abs(one).max(initial=0))))

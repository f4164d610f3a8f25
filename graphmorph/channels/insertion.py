"""Inserting units: copies of units wherever they live, their filters as those of a master or made from it.

Function-preserving widening is Net2WiderNet (Chen et al., Net2Net, ICLR 2016, section 3.3): a copy is made like its
master, and both share the weights of whoever reads them. New filters that are correlated with a master are those of
AdapNet (section 3.3); nobody reads them at first, unless asked to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.constants import Slot
from graphmorph.channels.copies import WithCopies
from graphmorph.channels.correlation import Correlation, correlated
from graphmorph.channels.criteria.roles import role
from graphmorph.channels.groups import Group, Member
from graphmorph.channels.outgoing import Outgoing
from graphmorph.channels.rearranging import NewValues, rearrange, taken
from graphmorph.channels.resizing.arrangement import Places, copy_numbers
from graphmorph.editor import Editor

#: What the readers of a unit and its copies do: share its weights, read the copies by zero, or by the same weights.
OutgoingWeights = Literal["split", "zero", "copy"]


@dataclass(frozen=True, eq=False)
class GroupInsertion:
    """Units that are added to a group. masters: (new units) which unit (index) each is made from."""

    group: Group
    masters: NDArray[np.int64]
    correlation: Correlation = "copy"
    outgoing: OutgoingWeights = "split"

    @property
    def copies(self) -> NDArray[np.int64]:
        """(units) how many are made from each."""
        return np.bincount(self.masters, minlength=self.group.size)


@dataclass(frozen=True, eq=False)
class Insertion:
    """What is added. noise: the standard deviation of what is added to new filters, in those of their masters; it is
    drawn from a seed."""

    analysis: Analysis
    groups: Sequence[GroupInsertion]
    noise: float = 0.0
    seed: int = 0

    @property
    def exact(self) -> bool:
        """Whether the function stays what it was."""
        return all(
            one.outgoing == "zero" or (one.outgoing == "split" and one.correlation == "copy" and not self.noise)
            for one in self.groups
        )

    @cached_property
    def copies(self) -> NDArray[np.int64]:
        """By label of a component, how many copies of it are made."""
        found = np.zeros(self.analysis.components.walled.size, np.int64)
        for one in self.groups:
            found[one.group.units] = one.copies
        return found


def obstacles(insertion: Insertion, outgoing: Outgoing) -> dict[str, str]:
    """By name of a group, why its readers would not make the same of more units."""
    analysis = insertion.analysis
    found: dict[str, str] = {}
    for one in insertion.groups:
        alike = one.correlation == "copy" and not insertion.noise
        marked = np.zeros(analysis.components.walled.size, np.bool_)
        marked[one.group.units] = True
        for obstacle in outgoing.obstacles:
            copies = insertion.copies[obstacle.labels]
            harmless = alike and (obstacle.maximum or (obstacle.evenly and bool((copies == copies[:1]).all())))
            if marked[obstacle.labels].any() and not harmless:
                found.setdefault(one.group.name, str(obstacle.reason))
    return found


def insert(insertion: Insertion, editor: Editor) -> None:
    """Stage an insertion, in an edit that has begun. What is analysed must be what the editor edits.

    Raises:
        RefusedError: a node states a size in a way that cannot be rewritten. Nothing was edited then.
    """
    analysis = insertion.analysis
    arrangement = WithCopies(analysis, insertion.copies)
    filling = _Filling(insertion, arrangement)
    new_values = {slot: new for slot in analysis.slots if (new := filling.values(slot)) is not None}
    rearrange(analysis, arrangement, editor, new_values)


class _Filling:
    """What constants hold that are not just copies."""

    def __init__(self, insertion: Insertion, arrangement: WithCopies) -> None:
        self._insertion, self._analysis, self._arrangement = insertion, insertion.analysis, arrangement
        self._outgoing = Outgoing(insertion.analysis)
        self._random = np.random.default_rng(insertion.seed)
        self._made: dict[Slot, list[tuple[GroupInsertion, Member]]] = {}
        self._read: dict[Slot, list[tuple[GroupInsertion, Member]]] = {}
        for one in insertion.groups:
            for member in one.group.members:
                if (member.slot, member.axis) in self._outgoing.weights and one.outgoing != "copy":
                    self._read.setdefault(member.slot, []).append((one, member))
                elif is_maker(analysis=self._analysis, member=member) and (
                    one.correlation != "copy" or insertion.noise
                ):
                    self._made.setdefault(member.slot, []).append((one, member))

    def values(self, slot: Slot) -> NewValues | None:
        """What a constant holds; None where it is its old entries."""
        if slot not in self._made and slot not in self._read:
            return None
        values = taken(self._analysis, slot, self._arrangement).values
        fresh: dict[int, NDArray[np.bool_]] = {}
        for one, member in self._made.get(slot, ()):
            at, numbers = self._copied(member, one.group)
            values = self._filters(values, member, at, numbers, one.correlation)
            if one.correlation != "copy":
                _mark(fresh, member.axis, values.shape[member.axis], at)
        for one, member in self._read.get(slot, ()):
            values, new = self._shares(values, one, member)
            if new is not None:
                _mark(fresh, member.axis, values.shape[member.axis], new)
        return NewValues(values, fresh)

    def _places(self, member: Member) -> Places:
        places = self._arrangement.of(member.slot.axes[member.axis])
        return np.arange(member.slot.shape[member.axis]) if places is None else places

    def _copied(self, member: Member, group: Group) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where copies of a group's units are along an axis, and which copy each is."""
        places = self._places(member)
        numbers = copy_numbers(places)
        at = np.flatnonzero((numbers > 0) & np.isin(places, member.positions))
        return at, numbers[at]

    def _filters(
        self,
        values: NDArray[np.float64],
        member: Member,
        at: NDArray[np.int64],
        numbers: NDArray[np.int64],
        correlation: Correlation,
    ) -> NDArray[np.float64]:
        rows = np.moveaxis(values.copy(), member.axis, 0)
        window = max(len(member.slot.shape) - 2, 0) if self._is_convolution(member) else 0
        new = correlated(rows[at], numbers, correlation, window)
        spread = new.reshape(at.size, -1).std(axis=1).reshape(-1, *[1] * (new.ndim - 1))
        rows[at] = new + self._insertion.noise * spread * self._random.standard_normal(new.shape)
        return np.moveaxis(rows, 0, member.axis)

    def _is_convolution(self, member: Member) -> bool:
        return any(self._analysis.facts.producer[use.node].op in CONVOLUTIONS for use in member.slot.uses)

    def _shares(
        self, values: NDArray[np.float64], one: GroupInsertion, member: Member
    ) -> tuple[NDArray[np.float64], NDArray[np.int64] | None]:
        """The weights that read units and their copies, and where they are new."""
        at, _ = self._copied(member, one.group)
        factor = np.ones(values.shape[member.axis])
        if one.outgoing == "zero":
            factor[at] = 0.0
        else:
            ids = member.slot.axes[member.axis]
            assert ids is not None
            copies = self._insertion.copies[self._analysis.components.label[ids[self._places(member)]]]
            mine = np.isin(self._places(member), member.positions)
            factor[mine] = 1.0 / (1 + copies[mine])
        shape = [-1 if axis == member.axis else 1 for axis in range(values.ndim)]
        return values * factor.reshape(shape), at if one.outgoing == "zero" else None


def _mark(fresh: dict[int, NDArray[np.bool_]], axis: int, size: int, at: NDArray[np.int64]) -> None:
    fresh.setdefault(axis, np.zeros(size, np.bool_))[at] = True


CONVOLUTIONS = ("Conv", "ConvTranspose")


def is_maker(analysis: Analysis, member: Member) -> bool:
    """Whether somebody makes units by weights along this axis; not each from itself, as in depthwise layers."""
    return any(True for _ in _makers(analysis, member))


def _makers(analysis: Analysis, member: Member) -> Iterator[gs.Node]:
    rank = len(member.slot.shape)
    for use in member.slot.uses:
        node = analysis.facts.producer[use.node]
        grouped = node.op in CONVOLUTIONS and int(node.attrs.get("group", 1)) > 1
        whole = grouped and _reads_itself(analysis, node, member)
        if rank > 1 and role(node, use.index, member.axis, rank) == "output" and not whole:
            yield node


def _reads_itself(analysis: Analysis, node: gs.Node, member: Member) -> bool:
    read, made = analysis.axes[node.inputs[0].name][1], member.slot.axes[member.axis]
    label = analysis.components.label
    return (
        read is not None and made is not None and bool(np.isin(label[made[member.positions[:, 0]]], label[read]).any())
    )

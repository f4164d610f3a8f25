"""Scores of the units of a group in each of its layers, by weights. One weight is in memory at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.constants import Slot
from graphmorph.channels.criteria.criterion import Criterion
from graphmorph.channels.criteria.geometric_median import distance_sums
from graphmorph.channels.criteria.kse import kse
from graphmorph.channels.criteria.norms import Power, power_sums, unit_norms
from graphmorph.channels.criteria.roles import Role, roles
from graphmorph.channels.groups import Group, Member
from graphmorph.facts import Facts
from graphmorph.graph import constant_array
from graphmorph.summary import is_parameter

#: (units,) scores, one array for each layer that has a say; or why there is none.
LayerScores = list[NDArray[np.float64]] | str

_WEIGHTS: tuple[Role, ...] = ("output", "input", "scale")


class WeightCriteria:
    """What is asked of every axis of a weight is asked once: many groups may lie on one axis (dense concatenation)."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._powers: dict[tuple[str, int, Power], NDArray[np.float64]] = {}
        self._distances: dict[tuple[str, int], NDArray[np.float64]] = {}

    def norms(self, group: Group, criterion: Criterion) -> list[NDArray[np.float64]]:
        """l1 or l2 norms; of whatever the group touches, where it has no weights of the kind that is asked for."""
        wanted = _WEIGHTS if criterion.members == "all" else _WEIGHTS[:1]
        members = self._members(group, wanted) or self._members(group, _WEIGHTS) or group.members
        return self._unit_norms(members, 1 if criterion.name == "l1" else 2)

    def scales(self, group: Group) -> LayerScores:
        """|gamma| of normalisations (Liu et al., Network slimming, ICCV 2017)."""
        members = self._members(group, ("scale",))
        return self._unit_norms(members, 1) if members else "no normalisation scales its channels"

    def distances(self, group: Group) -> LayerScores:
        """Distances to the other filters, in the layers that make the channels."""
        members = self._members(group, ("output",))
        if not members:
            return "no filters make its channels"
        return [self._distance_sums(member)[member.positions].sum(axis=1) for member in members]

    def kernels(self, group: Group, criterion: Criterion) -> LayerScores:
        """KSE, in the layers that read the channels."""
        found = [self._kse(member, criterion) for member in self._members(group, ("input",))]
        return found or "no weights of a next layer read its channels"

    def _members(self, group: Group, wanted: Sequence[Role]) -> list[Member]:
        """Floating-point members that mean, to some reader, one of the roles."""
        return [
            member
            for member in group.members
            if is_parameter(self._facts.tensors[member.slot.name]) and roles(member, self._facts).intersection(wanted)
        ]

    def _unit_norms(self, members: Sequence[Member], power: Power) -> list[NDArray[np.float64]]:
        return [unit_norms(self._power_sums(member, power), member.positions, power) for member in members]

    def _power_sums(self, member: Member, power: Power) -> NDArray[np.float64]:
        key = (member.slot.name, member.axis, power)
        if key not in self._powers:
            self._powers[key] = power_sums(self._array(member.slot), member.axis, power)
        return self._powers[key]

    def _distance_sums(self, member: Member) -> NDArray[np.float64]:
        key = (member.slot.name, member.axis)
        if key not in self._distances:
            self._distances[key] = distance_sums(self._array(member.slot), member.axis)
        return self._distances[key]

    def _kse(self, member: Member, criterion: Criterion) -> NDArray[np.float64]:
        filters = next((axis for axis in self._filter_axes(member)), member.axis)
        weights = np.moveaxis(self._array(member.slot), (member.axis, filters), (0, 1))

        def read_by(unit: int) -> NDArray[np.float64]:
            kernels = np.asarray(weights[member.positions[unit]], np.float64)
            return np.moveaxis(kernels, 1, 0).reshape(kernels.shape[1], -1)

        units = member.positions.shape[0]
        return kse(read_by, units, criterion.neighbours, criterion.alpha, criterion.sparsity)

    def _filter_axes(self, member: Member) -> list[int]:
        """Axes along which the weight has one kernel after the other, the last first."""
        others = (Member(member.slot, axis, member.positions) for axis in reversed(range(len(member.slot.shape))))
        return [one.axis for one in others if one.axis != member.axis and "output" in roles(one, self._facts)]

    def _array(self, slot: Slot) -> np.ndarray:
        return constant_array(self._facts.tensors[slot.name])

"""Units (elements that live and die together) and groups (units of one kind, that compete for a ratio)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.constants import Slot

if TYPE_CHECKING:
    from graphmorph.channels.analysis import Analysis


@dataclass(frozen=True, eq=False)
class Member:
    """An axis of a constant that a group touches. positions: (units, places) along the axis, one row for each unit."""

    slot: Slot
    axis: int
    positions: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Group:
    """Units that are alike: each touches the same axes of the same constants, equally often.

    name: of the layer that makes them. units: labels of their components, in the order of the first member.
    """

    name: str
    units: NDArray[np.int64]
    members: tuple[Member, ...]

    @property
    def size(self) -> int:
        return int(self.units.size)


def find_groups(analysis: Analysis) -> tuple[Group, ...]:
    """All groups, in the order of the graph. Walls, and what touches no constant, are in none."""
    components = analysis.components
    signature = _signatures(analysis)
    free = ~components.walled & (signature != 0)
    members: dict[int, list[Member]] = {}
    order: dict[int, NDArray[np.int64]] = {}
    split: dict[int, list[tuple[int, NDArray[np.int64]]]] = {}
    for slot in analysis.slots:
        for axis, ids in enumerate(slot.axes):
            if ids is None:
                continue
            if id(ids) not in split:  # constants that follow an activation share its array
                split[id(ids)] = list(_by_signature(components.label[ids], free, signature, order))
            for one, positions in split[id(ids)]:
                members.setdefault(one, []).append(Member(slot, axis, positions))
    names: dict[str, int] = {}
    return tuple(Group(_name(analysis, found, names), order[one], tuple(found)) for one, found in members.items())


def _signatures(analysis: Analysis) -> NDArray[np.uint64]:
    """By component: a sum of random numbers, one for each axis of a constant and each element that touches it."""
    signature = np.zeros(analysis.components.walled.size, np.uint64)
    random = np.random.default_rng(0)
    for slot in analysis.slots:
        for ids in slot.axes:
            if ids is not None:
                labels = analysis.components.label[ids]
                np.add.at(signature, labels, random.integers(1, 2**63, dtype=np.uint64))
    return signature


def _by_signature(
    labels: NDArray[np.int64],
    free: NDArray[np.bool_],
    signature: NDArray[np.uint64],
    order: dict[int, NDArray[np.int64]],
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The places of each group along an axis: (units, places). Settles the order of the units of new groups."""
    places = np.flatnonzero(free[labels])
    signatures = signature[labels[places]]
    for one in _in_order(signatures):
        here = places[signatures == one]
        units = order.setdefault(int(one), _distinct(labels[here]))
        yield int(one), _by_unit(here, labels[here], units)


def _in_order(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Distinct values, in the order in which they come first."""
    distinct, first = np.unique(values, return_index=True)
    result: NDArray[np.uint64] = distinct[np.argsort(first)]
    return result


def _distinct(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    distinct, first = np.unique(labels, return_index=True)
    result: NDArray[np.int64] = distinct[np.argsort(first)]
    return result


def _by_unit(places: NDArray[np.int64], labels: NDArray[np.int64], units: NDArray[np.int64]) -> NDArray[np.int64]:
    """(units, places) the places of each unit."""
    rank = np.empty(int(units.max()) + 1, np.int64)
    rank[units] = np.arange(units.size)
    by_unit = np.argsort(rank[labels], kind="stable")
    return places[by_unit].reshape(units.size, -1)


def _name(analysis: Analysis, members: list[Member], names: dict[str, int]) -> str:
    """The node that makes the units: the first reader of the first member."""
    output = members[0].slot.uses[0].node
    wanted = str(analysis.facts.producer[output].name or output)
    names[wanted] = names.get(wanted, 0) + 1
    return wanted if names[wanted] == 1 else f"{wanted}#{names[wanted]}"

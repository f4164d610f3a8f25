"""What axes consist of afterwards: places of the old axis, in order, some of them left out or taken more than once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.elements import Axes, Axis, Ids
from graphmorph.journal import Slice

#: (new size) the place of the old axis that each entry of the new one is made of.
Places = NDArray[np.int64]


class Arrangement(ABC):
    """Says of every axis what it consists of afterwards, by its ids alone: axes that are equal stay equal."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Axis, Places | None]] = {}
        self._slices: dict[tuple[int, int], Slice] = {}

    @abstractmethod
    def arranged(self, ids: Ids) -> Places:
        """The places that an axis of these ids consists of."""

    def of(self, axis: Axis) -> Places | None:
        """The places that an axis consists of; None where it stays as it is."""
        if axis is None:
            return None
        known = self._known.get(id(axis))
        if known is None:
            places = self.arranged(axis)
            same = places.size == axis.size and bool((places == np.arange(axis.size)).all())
            # Axes are passed on by reference: most of them have been seen. Holding one keeps its identity from use.
            known = self._known[id(axis)] = (axis, None if same else places)
        return known[1]

    def slice_of(self, axis: Axis, place: int) -> Slice | None:
        """What a constant takes along its axis number `place`; None where that stays as it is. Of constants that share
        an axis it is the same object."""
        places = self.of(axis)
        if places is None:
            return None
        known = self._slices.get((id(axis), place))
        if known is None:
            known = self._slices[id(axis), place] = Slice(place, tuple(places.tolist()))
        return known

    def changes(self, axes: Axes) -> bool:
        """Whether an axis gains or loses elements."""
        return any(axis is not None and self.of(axis) is not None for axis in axes)

    def sizes(self, axes: Axes, before: Sequence[int]) -> tuple[int, ...]:
        """Sizes afterwards."""
        return tuple(
            n if (places := self.of(axis)) is None else places.size for n, axis in zip(before, axes, strict=True)
        )


class Without(Arrangement):
    """Elements that do not stay are left out. kept: by element id."""

    def __init__(self, kept: NDArray[np.bool_]) -> None:
        super().__init__()
        self._kept = kept

    def arranged(self, ids: Ids) -> Places:
        return np.flatnonzero(self._kept[ids])


def copy_numbers(places: Places) -> NDArray[np.int64]:
    """For each entry, how many entries before it are made of the same place: 0 for an element, k for its k-th copy."""
    order = np.argsort(places, kind="stable")
    numbers = np.empty(places.size, np.int64)
    ordered = places[order]
    numbers[order] = np.arange(places.size) - np.searchsorted(ordered, ordered)
    return numbers


def located(places: Places, wanted: Places, copies: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the copies of some places are in an axis that consists of `places`; -1 for what is not there."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    at = np.searchsorted(ordered, wanted) + copies
    there = (at < places.size) & (ordered[np.minimum(at, places.size - 1)] == wanted)
    found: NDArray[np.int64] = np.where(there, order[np.minimum(at, places.size - 1)], -1)
    return found


def groups_in(places: Places, per_group: int) -> int | None:
    """How many groups there are afterwards, of an axis of groups of `per_group` elements, some of which were copied or
    left out as a whole, or the same elements of every group; None where they are no groups any more."""
    group, element = np.divmod(places, per_group)
    if places.size % per_group == 0:
        rows, of_row = group.reshape(-1, per_group), element.reshape(-1, per_group)
        if (rows == rows[:, :1]).all() and (of_row == np.arange(per_group)).all():
            return int(places.size // per_group)
    count = np.unique(group).size
    if places.size % count:
        return None
    rows, of_row = group.reshape(count, -1), element.reshape(count, -1)
    alike = (rows == rows[:, :1]).all() and (of_row == of_row[:1]).all()
    return int(count) if alike else None

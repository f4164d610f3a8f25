"""Who reads units, and by which weights: where copies share a weight, and merged units add theirs.

A node that contracts an axis with constant weights can be given other weights for every entry. Maxima do not see an
element twice. Everything else that sums or takes statistics over an axis does.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.constants import Slot, Use
from graphmorph.channels.elements import Read, Reason

Labels = NDArray[np.int64]

_STATISTICS = ("mean", "normalisation")
_GROUPED = ("Conv", "ConvTranspose")


@dataclass(frozen=True, eq=False)
class Obstacle:
    """A node that counts elements which nothing weighs. labels: of the elements along the axis that it reads, in
    order. evenly: what it makes is the same where all of them are there equally often."""

    labels: Labels
    reason: Reason
    evenly: bool
    maximum: bool = False


class Outgoing:
    """The readers of all units."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis

    @cached_property
    def weights(self) -> frozenset[tuple[Slot, int]]:
        """Axes of constants along which nodes read units: entry i weighs element i."""
        found = ((self._weights(read), read) for read in self.analysis.reads)
        return frozenset(place for place, _ in found if place is not None and self._is_shared_alike(*place))

    @cached_property
    def obstacles(self) -> tuple[Obstacle, ...]:
        """Reads that are not by such weights."""
        return tuple(one for read in self.analysis.reads if (one := self._obstacle(read)) is not None)

    def _obstacle(self, read: Read) -> Obstacle | None:
        labels = self._labels(read)
        if labels is None or self._takes_whole_groups(read, labels):
            return None
        if read.kind == "contraction":
            place = self._weights(read)
            if place in self.weights:
                return None
            text = (
                "multiplies it by what is computed, and sums the products up"
                if place is None
                else f"reads it by {place[0].name}, which others read in another way"
            )
            return Obstacle(labels, Reason(read.node, read.op, text), evenly=False)
        reason = Reason(read.node, read.op, f"takes the {read.kind} over it")
        evenly = read.kind in _STATISTICS and read.op != "LpNormalization"
        return Obstacle(labels, reason, evenly, maximum=read.kind in ("maximum", "minimum"))

    def _labels(self, read: Read) -> Labels | None:
        axes = self.analysis.operand(self.analysis.facts.producer[read.node], read.index)
        ids = None if axes is None else axes[read.axis]
        return None if ids is None else self.analysis.components.label[ids]

    def _weights(self, read: Read) -> tuple[Slot, int] | None:
        """The constant that weighs what is read, and its axis."""
        if read.kind != "contraction":
            return None
        node = self.analysis.facts.producer[read.node]
        index, axis = (read.index, read.axis) if read.other < 0 else (read.other, read.other_axis)
        labels = self._labels(read)
        if not isinstance(node.inputs[index], gs.Constant) or labels is None or self._takes_whole_groups(read, labels):
            return None
        return self.analysis.slot_of[Use(read.node, index)], axis

    def _takes_whole_groups(self, read: Read, labels: Labels) -> bool:
        """Whether units are whole groups of a grouped layer: each group of it reads its own, and is copied with it."""
        attrs = self.analysis.facts.producer[read.node].attrs
        if read.op in _GROUPED:
            return _are_groups(labels, int(attrs.get("group", 1)))
        return read.op == "GroupNormalization" and read.axis == 1 and _are_groups(labels, int(attrs["num_groups"]))

    @cached_property
    def _summed_by(self) -> dict[tuple[Slot, int], set[Use]]:
        found: dict[tuple[Slot, int], set[Use]] = defaultdict(set)
        for read in self.analysis.reads:
            place = self._weights(read)
            if place is not None:
                found[place].add(Use(read.node, read.index if read.other < 0 else read.other))
        return found

    def _is_shared_alike(self, slot: Slot, axis: int) -> bool:
        """Whether everybody who reads a constant sums along that axis."""
        return self._summed_by[slot, axis] >= set(slot.uses)


def _are_groups(labels: Labels, groups: int) -> bool:
    rows = labels.reshape(groups, -1)
    return groups > 1 and bool((rows == rows[:, :1]).all()) and bool((np.diff(rows[:, 0]) != 0).any())

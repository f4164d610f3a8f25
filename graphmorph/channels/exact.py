"""Channels whose removal changes nothing: unread ones, constants that fold into the next bias, and duplicates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.exact_folding import Folding
from graphmorph.channels.exact_reads import ExactRead, exact_reads
from graphmorph.channels.groups import Group
from graphmorph.channels.probed import probed_analysis
from graphmorph.channels.removal import remove
from graphmorph.channels.values.values import find_values
from graphmorph.editor import Editor
from graphmorph.facts import Facts
from graphmorph.rewrite import Refusal, Site

Units = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ExactGroup:
    """What goes of one group: units that add nothing or constants, and units that have a twin which stays.

    twins: by label of what goes, the label of what stays.
    """

    analysis: Analysis
    group: Group
    reads: tuple[ExactRead, ...]
    unread: Units
    constant: Units
    twins: dict[int, int]
    kinds: dict[str, int] = field(default_factory=dict)

    def apply(self, editor: Editor) -> None:
        """Move constants and weights, and remove.

        Raises:
            RefusedError: what moves leaves the range of its type, or a node cannot be given a bias or sizes.
        """
        gone = np.concatenate([self.unread, self.constant, np.array(list(self.twins), np.int64)])
        kept = self.analysis.kept_without(gone)
        folding = Folding(self.analysis, kept, editor)
        for read in self.reads:
            folding.constants(read, self.constant)
            folding.twins(read, self.twins)
        remove(self.analysis, kept, editor, folding.edited)
        folding.add_biases()


class ExactRemoval:
    """Looks through a graph for what can go."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.analysis = probed_analysis(facts)
        values = find_values(facts, self.analysis.sizes)
        self.reads = list(exact_reads(self.analysis, values))
        size = self.analysis.components.walled.size
        self._nothing, self._foldable, self._merges = (np.ones(size, np.bool_) for _ in range(3))
        for read in self.reads:
            answers = read.nothing, read.foldable, read.nothing | (read.numbers is not None)
            for flags, fine in zip((self._nothing, self._foldable, self._merges), answers, strict=True):
                np.logical_and.at(flags, read.labels, fine)

    def find(self) -> Iterator[Site | Refusal]:
        """A site for every group that loses something; a refusal for one whose dead channels are held by a read."""
        by_group = self._reads_by_group()
        for number, group in enumerate(self.analysis.groups):
            reads = by_group.get(number, [])
            found = self._of(group, reads)
            if found.kinds:
                yield self._site(found)
            yield from self._refusals(group, reads)

    def _reads_by_group(self) -> dict[int, list[ExactRead]]:
        owner = np.full(self.analysis.components.walled.size, -1, np.int64)
        for number, group in enumerate(self.analysis.groups):
            owner[group.units] = number
        found: dict[int, list[ExactRead]] = {}
        for read in self.reads:
            for number in np.unique(owner[read.labels]).tolist():
                if number >= 0:
                    found.setdefault(number, []).append(read)
        return found

    def _of(self, group: Group, reads: list[ExactRead]) -> ExactGroup:
        units = group.units
        unread = units[self._nothing[units]]
        constant = units[self._foldable[units] & ~self._nothing[units]]
        dead = np.isin(units, np.concatenate([unread, constant]))
        if dead.all():  # one has to stay
            unread, constant = (unread[1:], constant) if unread.size else (unread, constant[1:])
        twins = _twins(units[~dead & self._merges[units]], reads) if not dead.all() else {}
        kinds = {"unread": unread.size, "constant": constant.size, "duplicate": len(twins)}
        kinds = {kind: count for kind, count in kinds.items() if count}
        return ExactGroup(self.analysis, group, tuple(reads), unread, constant, twins, kinds)

    def _site(self, found: ExactGroup) -> Site:
        what = " and ".join(f"{count} {kind}" for kind, count in found.kinds.items())
        claims = self._claims(found.group)
        root = found.group.members[0].slot.uses[0].node
        width = int(found.group.members[0].positions.shape[1])
        channels = "channels" if width == 1 else f"units of {width} channels"
        return Site(root, claims, f"{what} of {found.group.size} {channels} of {found.group.name} -> removed", found)

    def _refusals(self, group: Group, reads: list[ExactRead]) -> Iterator[Refusal]:
        """Channels that are constant where somebody reads them, but have to stay."""
        for read in reads:
            known = ~np.isnan(read.constants) & ~read.foldable
            held = np.intersect1d(np.unique(read.labels[known]), group.units).size
            if held:
                reason = f"{held} channels of {group.name} are constant, but {read.held}"
                yield Refusal(str(read.node.name or read.read.node), read.node.op, reason)

    def _claims(self, group: Group) -> frozenset[str]:
        """Every node that one of the units goes through: its sizes change."""
        mine = np.zeros(self.analysis.components.walled.size, np.bool_)
        mine[group.units] = True
        label = self.analysis.components.label
        claims = set()
        for node in self.facts.order:
            axes = [self.analysis.operand(node, index) for index in range(len(node.inputs))]
            axes += [self.analysis.axes.get(tensor.name) for tensor in node.outputs]
            if any(ids is not None and mine[label[ids]].any() for one in axes if one is not None for ids in one):
                claims.add(str(node.outputs[0].name))
        return frozenset(claims)


def _twins(units: Units, reads: list[ExactRead]) -> dict[int, int]:
    """By label of a duplicate, the first unit that is equal to it at every read."""
    signatures: dict[tuple[bytes, ...], int] = {}
    twins: dict[int, int] = {}
    for unit in units.tolist():
        parts = []
        for read in reads:
            places = np.flatnonzero(read.labels == unit)
            if read.numbers is not None and places.size:
                parts.append(read.numbers[places].tobytes())
        if not parts:
            continue
        first = signatures.setdefault(tuple(parts), unit)
        if first != unit:
            twins[unit] = first
    return twins

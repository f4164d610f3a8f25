"""Channels whose removal changes nothing: unread ones, constants that fold into the next bias, and duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.exact_folding import Folding
from graphmorph.channels.exact_reads import ExactRead, exact_reads
from graphmorph.channels.exact_twins import Twins, twins_of
from graphmorph.channels.groups import Group
from graphmorph.channels.probed import probed_analysis
from graphmorph.channels.removal import remove
from graphmorph.channels.values.values import find_values
from graphmorph.editor import Editor
from graphmorph.facts import Facts
from graphmorph.rewrite import Refusal, Site

Units = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Loss:
    """What goes of one group: units that add nothing, or constants, and units that have a twin which stays."""

    group: Group
    unread: Units
    constant: Units
    twins: Twins

    @property
    def counts(self) -> dict[str, int]:
        found = {"unread": self.unread.size, "constant": self.constant.size, "duplicate": len(self.twins)}
        return {kind: count for kind, count in found.items() if count}

    def __str__(self) -> str:
        width = int(self.group.members[0].positions.shape[1])
        channels = "channels" if width == 1 else f"units of {width} channels"
        return f"{_in_words(self.counts)} of {self.group.size} {channels} of {self.group.name}"


@dataclass(frozen=True, eq=False)
class ExactEdit:
    """What goes of some groups, together: what is known of values holds whichever of them go."""

    analysis: Analysis
    reads: Sequence[ExactRead]
    losses: tuple[Loss, ...]

    def apply(self, editor: Editor) -> None:
        """Move constants and weights, and remove.

        Raises:
            RefusedError: what moves leaves the range of its type, or a node cannot be given other sizes.
        """
        constant = np.concatenate([loss.constant for loss in self.losses])
        twins = np.concatenate([loss.twins for loss in self.losses])
        gone = np.concatenate([*(loss.unread for loss in self.losses), constant, twins[:, 0]])
        kept = self.analysis.kept_without(gone)
        folding = Folding(self.analysis, kept, editor)
        for read in self.reads:
            folding.constants(read, constant)
            folding.twins(read, twins)
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

    @cached_property
    def _owner(self) -> NDArray[np.int64]:
        """By component, the number of its group; -1 where there is none."""
        owner = np.full(self.analysis.components.walled.size, -1, np.int64)
        for number, group in enumerate(self.analysis.groups):
            owner[group.units] = number
        return owner

    def find(self) -> Iterator[Site | Refusal]:
        """One site for all that goes; should it be refused or rolled back, there is one for each group as well.

        A refusal for every group some constant channels of which are held by a read.
        """
        by_group: dict[int, list[ExactRead]] = {}
        for read in self.reads:
            for number in self._groups_of(read.labels):
                by_group.setdefault(number, []).append(read)
        groups = enumerate(self.analysis.groups)
        losses = {number: self._loss(group, by_group.get(number, [])) for number, group in groups}
        losses = {number: loss for number, loss in losses.items() if loss.counts}
        claims = self._claims()
        sites = [self._site(loss, claims[number], by_group.get(number, [])) for number, loss in losses.items()]
        yield from self._together(list(losses.values()), sites)
        yield from sites
        yield from self._refusals()

    def _groups_of(self, labels: NDArray[np.int64]) -> list[int]:
        found = np.unique(self._owner[labels])
        return [int(number) for number in found[found >= 0]]

    def _loss(self, group: Group, reads: list[ExactRead]) -> Loss:
        units = group.units
        unread = units[self._nothing[units]]
        constant = units[self._foldable[units] & ~self._nothing[units]]
        dead = np.isin(units, np.concatenate([unread, constant]))
        if dead.all():  # one has to stay
            unread, constant = (unread[1:], constant) if unread.size else (unread, constant[1:])
        return Loss(group, unread, constant, twins_of(units[~dead & self._merges[units]], reads))

    def _site(self, loss: Loss, claims: Iterable[str], reads: list[ExactRead]) -> Site:
        root = loss.group.members[0].slot.uses[0].node
        return Site(root, frozenset(claims), f"{loss} -> removed", ExactEdit(self.analysis, reads, (loss,)))

    def _together(self, losses: list[Loss], sites: list[Site]) -> Iterator[Site]:
        """It is called after a node that no other site is called after, so that it can be refused by itself."""
        taken = {site.root for site in sites}
        names = [str(node.outputs[0].name) for node in reversed(self.facts.order) if node.outputs]
        root = next((name for name in names if name not in taken), None)
        if len(losses) < 2 or root is None:
            return
        total: dict[str, int] = {}
        for kind, count in (item for loss in losses for item in loss.counts.items()):
            total[kind] = total.get(kind, 0) + count
        size = sum(loss.group.size for loss in losses)
        summary = f"{_in_words(total)} of {size} units of {len(losses)} groups of channels -> removed"
        claims = frozenset[str]().union(*(site.claims for site in sites))
        yield Site(root, claims, summary, ExactEdit(self.analysis, self.reads, tuple(losses)))

    def _refusals(self) -> Iterator[Refusal]:
        """Channels that are constant where somebody reads them, but have to stay."""
        for read in self.reads:
            known = np.unique(read.labels[~np.isnan(read.constants) & ~read.foldable])
            numbers, counts = np.unique(self._owner[known], return_counts=True)
            for number, held in zip(numbers.tolist(), counts.tolist(), strict=True):
                if number >= 0:
                    reason = f"{held} channels of {self.analysis.groups[number].name} are constant, but {read.held}"
                    yield Refusal(str(read.node.name or read.read.node), read.node.op, reason)

    def _claims(self) -> dict[int, list[str]]:
        """By group, every node that one of the units goes through: its sizes change."""
        label = self.analysis.components.label
        found: dict[int, list[str]] = {}
        touched: dict[int, list[int]] = {}
        for node in self.facts.order:
            if not node.outputs:
                continue
            axes = [self.analysis.operand(node, index) for index in range(len(node.inputs))]
            axes += [self.analysis.axes.get(tensor.name) for tensor in node.outputs]
            every = {id(ids): ids for one in axes if one is not None for ids in one if ids is not None}
            for key, ids in every.items():  # axes are passed on by reference: each is looked at once
                if key not in touched:
                    touched[key] = self._groups_of(label[ids])
            for number in {number for key in every for number in touched[key]}:
                found.setdefault(number, []).append(str(node.outputs[0].name))
        return found


def _in_words(counts: dict[str, int]) -> str:
    return " and ".join(f"{count} {kind}" for kind, count in counts.items())

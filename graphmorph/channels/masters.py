"""Which units new ones are made from, in which groups, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.copies import WithCopies
from graphmorph.channels.correlation import AnyCorrelation, Correlation, by_depth
from graphmorph.channels.criteria import Criterion, score
from graphmorph.channels.groups import Group
from graphmorph.channels.insertion import GroupInsertion, Insertion, OutgoingWeights, is_maker, obstacles
from graphmorph.channels.outgoing import Outgoing
from graphmorph.channels.rearranging import obstacle
from graphmorph.errors import UsageError

ChosenBy = Literal["largest", "random"]

_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True)
class Masters:
    """What is wanted.

    fraction, count: new units of each group, by its size or as a number. groups: globs of names, all groups if empty.
    by: how masters are chosen: the largest by the l2 norm, or drawn from a seed. units: instead of these, "group=i",
    the very units, again where one is copied twice. outgoing: None for "split" where filters are copies, else "zero".
    """

    fraction: float = 0.25
    count: int = 0
    groups: tuple[str, ...] = ()
    by: ChosenBy = "largest"
    units: tuple[str, ...] = ()
    correlation: AnyCorrelation = "copy"
    outgoing: OutgoingWeights | None = None
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.fraction < float("inf") or self.count < 0 or not 0.0 <= self.noise < float("inf"):
            raise UsageError("fraction, count and noise must be finite numbers of 0 or more")
        if self.seed < 0:
            raise UsageError(f"seed {self.seed}: 0 or more is needed")

    @property
    def is_exact(self) -> bool:
        """Whether the function stays what it was, whatever the model."""
        outgoing = self.outgoing or ("split" if self.correlation == "copy" else "zero")
        return outgoing == "zero" or (outgoing == "split" and self.correlation == "copy" and not self.noise)


def insertion_of(analysis: Analysis, wanted: Masters) -> tuple[Insertion, dict[str, str]]:
    """What is added, and by name of a group, why nothing is added to it.

    Raises:
        UsageError: a group, or a unit of it, that does not exist.
    """
    chosen = _explicit(analysis, wanted) if wanted.units else _by_size(analysis, wanted)
    depth = _depths(analysis)
    groups = [_group(analysis, group, masters, wanted, depth) for group, masters in chosen if masters.size]
    outgoing, refused = Outgoing(analysis), dict[str, str]()
    while True:  # without one group, another may not be copied evenly any more
        insertion = Insertion(analysis, groups, wanted.noise, wanted.seed)
        found = obstacles(insertion, outgoing) or _not_laid_out(insertion)
        if not found:
            return insertion, refused
        refused |= found
        groups = [one for one in groups if one.group.name not in refused]


def _not_laid_out(insertion: Insertion) -> dict[str, str]:
    """By name of a group, why there is no order of its elements and their copies that all nodes understand."""
    analysis = insertion.analysis
    if obstacle(analysis, WithCopies(analysis, insertion.copies)) is None:
        return {}
    found: dict[str, str] = {}
    for one in insertion.groups:
        alone = Insertion(analysis, [one]).copies
        reason = obstacle(analysis, WithCopies(analysis, alone))
        if reason is not None:
            found[one.group.name] = reason
    return found


def _explicit(analysis: Analysis, wanted: Masters) -> list[tuple[Group, NDArray[np.int64]]]:
    named = {group.name: group for group in analysis.groups}
    units: dict[str, list[int]] = {}
    for one in wanted.units:
        name, _, number = one.rpartition("=")
        if name not in named:
            raise UsageError(f"{one}: there is no group {name!r}; there are {', '.join(named) or 'none'}")
        if not number.isdecimal() or int(number) >= named[name].size:
            raise UsageError(f"{one}: group {name} has units from 0 to {named[name].size - 1}")
        units.setdefault(name, []).append(int(number))
    return [(named[name], np.array(found, np.int64)) for name, found in units.items()]


def _by_size(analysis: Analysis, wanted: Masters) -> list[tuple[Group, NDArray[np.int64]]]:
    groups = [g for g in analysis.groups if not wanted.groups or any(fnmatchcase(g.name, p) for p in wanted.groups)]
    unknown = [p for p in wanted.groups if not any(fnmatchcase(g.name, p) for g in groups)]
    if unknown:
        known = ", ".join(g.name for g in analysis.groups) or "none"
        raise UsageError(f"no group is called {', '.join(unknown)}; there are {known}")
    if not groups:
        return []
    name: Literal["l2", "random"] = "l2" if wanted.by == "largest" else "random"
    scores = score(analysis, Criterion(name, seed=wanted.seed), groups=groups)
    found = []
    for one in scores:
        count = wanted.count or max(1, round(wanted.fraction * one.group.size)) * (wanted.fraction > 0)
        order = np.argsort(-one.values, kind="stable")
        found.append((one.group, np.resize(order, count).astype(np.int64)))
    return found


def _group(
    analysis: Analysis, group: Group, masters: NDArray[np.int64], wanted: Masters, depth: dict[str, tuple[int, int]]
) -> GroupInsertion:
    correlation = _by_maker(analysis, group, depth) if wanted.correlation == "auto" else wanted.correlation
    outgoing = wanted.outgoing or ("split" if wanted.correlation == "copy" else "zero")
    return GroupInsertion(group, masters, correlation, outgoing)


def _by_maker(analysis: Analysis, group: Group, depth: dict[str, tuple[int, int]]) -> Correlation:
    """By where the first layer lies that makes the group."""
    uses = (use for member in group.members if is_maker(analysis, member) for use in member.slot.uses)
    places: Sequence[tuple[int, int]] = [depth[use.node] for use in uses if use.node in depth]
    return by_depth(*min(places)) if places else "copy"


def _depths(analysis: Analysis) -> dict[str, tuple[int, int]]:
    """By first output, the place of a layer with weights, and how many there are."""
    facts = analysis.facts
    layers = [
        str(node.outputs[0].name)
        for node in facts.order
        if node.op in _LAYERS and facts.is_standard(node) and any(isinstance(t, gs.Constant) for t in node.inputs[:2])
    ]
    return {name: (place, len(layers)) for place, name in enumerate(layers)}

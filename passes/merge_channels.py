"""Channels that do the same on data become one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from graphmorph.channels.merging import GroupMerge, MergedWeights, merged_away, merged_values
from graphmorph.channels.probed import probed_analysis
from graphmorph.channels.removal import remove
from graphmorph.editor import Editor
from graphmorph.errors import UsageError
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.pruning.likeness import Likeness, merges_of
from graphmorph.rewrite import INTERNAL, Kind, Refusal, Rewrite, Site

CALIBRATION = "merging looks at activations: give calibration data"


@dataclass(frozen=True)
class MergeChannels(Rewrite):
    """Merge pairs of channels whose maps are alike on calibration data (AdapNet, algorithm 3).

    1. In each group, as the layer that reads it first sees its channels: pairs whose mean cosine similarity is above
       factor times the mean of the group (or above threshold), and whose distributions differ by less than distance.
       The distance is Chebyshev's, between histograms of shares in `bins` bins. Pairs are taken from the most similar
       on, and each unit has one partner at most.
    2. Filters, biases and entries of normalisations become the mean of both. outgoing=sum: so that nothing changes
       where channels are equal; mean: the paper's, where weights that read them are averaged too.
    3. Left alone, with the reason: groups that somebody sums, averages or normalises over, or multiplies with what is
       computed; groups that no layer reads by constant weights.
    """

    name: ClassVar[str] = "merge-channels"
    kind: ClassVar[Kind] = "approximate"
    summary: ClassVar[str] = "merge channels whose activations are alike on calibration data"

    calibration: str | None = None
    factor: float = 2.0
    threshold: float | None = None
    distance: float = 0.8
    bins: int = 32
    outgoing: MergedWeights = "sum"
    groups: tuple[str, ...] = ()
    data: Any = field(default=None, compare=False, repr=False, metadata=INTERNAL)

    def __post_init__(self) -> None:
        if self.outgoing not in ("sum", "mean"):
            raise UsageError(f"outgoing is {self.outgoing}; give one of sum, mean")
        if self.factor < 0 or self.distance < 0 or self.bins < 2 or self.bins % 2:
            raise UsageError("factor and distance must be 0 or more, and bins an even number")

    def find(self, graph: Graph, facts: Facts) -> Iterator[Site | Refusal]:
        data = self.data if self.data is not None else self.calibration
        if data is None:
            raise UsageError(CALIBRATION)
        likeness = Likeness(self.factor, self.threshold, self.distance, self.bins, self.groups)
        merges, refused = merges_of(probed_analysis(facts), likeness, data)
        if any(one.pairs for one in merges):
            yield _site(facts, merges)
        for name, reason in refused.items():
            yield Refusal(name, "group", f"is not merged: {reason}")

    def apply(self, site: Site, editor: Editor) -> None:
        analysis, merges = site.data
        kept = analysis.kept_without(merged_away(merges))
        remove(analysis, kept, editor, merged_values(analysis, merges, self.outgoing))


def _site(facts: Facts, merges: list[GroupMerge]) -> Site:
    """One site: constants lie in several groups, and become new ones once."""
    nodes = [node for node in facts.order if node.outputs]
    merged = [one for one in merges if one.pairs]
    listed = "; ".join(f"{one.group.name}: {_pairs(one)}" for one in merged)
    count = sum(len(one.pairs) for one in merged)
    return Site(
        str(nodes[0].outputs[0].name),
        frozenset(str(node.outputs[0].name) for node in nodes),
        f"merge {count} pairs of units in {len(merged)} groups of channels: {listed}",
        (merged[0].analysis, merged),
    )


def _pairs(one: GroupMerge) -> str:
    return ", ".join(f"{pair.second} into {pair.first} ({pair.similarity:.3f})" for pair in one.pairs)

"""Channels that do not matter go: exactly, or as many as a budget asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from graphmorph.channels.budget import Budget
from graphmorph.channels.criteria import Criterion
from graphmorph.channels.criteria.criterion import CriterionName
from graphmorph.channels.exact import ExactRemoval
from graphmorph.channels.probed import probed_analysis
from graphmorph.channels.removal import remove
from graphmorph.channels.walls import walls
from graphmorph.editor import Editor
from graphmorph.errors import UsageError
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.pruning.choice import Chosen, choose
from graphmorph.rewrite import INTERNAL, Kind, Refusal, Rewrite, Site


@dataclass(frozen=True)
class RemoveChannels(Rewrite):
    """Remove channels wherever they live, with everything that is tied to them.

    1. Without a ratio or a target, exactly: channels that nobody reads; channels that are constant whatever the input,
       their constant folded into the next bias; duplicates, whose outgoing weights are added to those of their twin.
    2. With ratio (of each group, or of all channels with scope=global), target_macs or target_params (shares that may
       be left), approximately: the least important go by criterion, in widths that are multiples of round_to.
    3. Left alone: what reaches a graph output, an operator without a rule or a body (If, Loop), a softmax; every layer
       that must keep all of its channels is named with the operator that is the wall.
    """

    name: ClassVar[str] = "remove-channels"
    kind: ClassVar[Kind] = "exact"
    summary: ClassVar[str] = "remove channels: those that change nothing, or the least important ones"

    ratio: float | None = None
    target_macs: float | None = None
    target_params: float | None = None
    scope: Literal["layer", "global"] = "layer"
    criterion: CriterionName = "l2"
    round_to: int = 8
    floor: int = 1
    chosen: Chosen | None = field(default=None, compare=False, repr=False, metadata=INTERNAL)

    def __post_init__(self) -> None:
        if self._approximate:
            object.__setattr__(self, "kind", "approximate")
            if self.chosen is None:
                self._budget()
        elif (self.scope, self.criterion, self.round_to, self.floor) != ("layer", "l2", 8, 1):
            raise UsageError("scope, criterion, round_to and floor need a ratio or a target")

    @property
    def _approximate(self) -> bool:
        return self.chosen is not None or (self.ratio, self.target_macs, self.target_params) != (None, None, None)

    def _budget(self) -> Budget:
        return Budget(
            ratio=self.ratio,
            scope=self.scope,
            target_macs=self.target_macs,
            target_params=self.target_params,
            round_to=self.round_to,
            floor=self.floor,
        )

    def find(self, graph: Graph, facts: Facts) -> Iterator[Site | Refusal]:
        if not self._approximate:
            yield from ExactRemoval(facts).find()
            return
        chosen = self.chosen or choose(probed_analysis(facts), self._budget(), Criterion(self.criterion))
        if chosen.units.size:
            yield _site(chosen)
        for wall in walls(chosen.analysis):
            yield Refusal(wall.node, wall.op, f"keeps its {wall.channels} channels: {wall}")

    def apply(self, site: Site, editor: Editor) -> None:
        if isinstance(site.data, Chosen):
            remove(site.data.analysis, site.data.kept, editor)
        else:
            site.data.apply(editor)


def _site(chosen: Chosen) -> Site:
    """One site: what goes was chosen together."""
    nodes = [node for node in chosen.analysis.facts.order if node.outputs]
    root = str(nodes[0].outputs[0].name)
    claims = frozenset(str(node.outputs[0].name) for node in nodes)
    groups = sum(1 for _, rows in chosen.groups if rows.size)
    return Site(root, claims, f"remove {chosen.units.size} units of {groups} groups of channels", chosen)

"""Channels are added: copies of others that share their outgoing weights, or new ones that nobody reads yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args, get_type_hints

from graphmorph.channels.correlation import AnyCorrelation
from graphmorph.channels.insertion import Insertion, insert
from graphmorph.channels.masters import ChosenBy, Masters, insertion_of
from graphmorph.channels.probed import probed_analysis
from graphmorph.editor import Editor
from graphmorph.errors import UsageError
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.rewrite import Kind, Refusal, Rewrite, Site


@dataclass(frozen=True)
class InsertChannels(Rewrite):
    """Widen layers, with everything that is tied to them; the function stays what it was unless asked otherwise.

    1. Each group of channels that live together gains count units, or a fraction of its size (at least one). groups
       (globs on names as in `graphmorph groups`) chooses groups. Masters are the largest by their l2 norm, or random;
       or units names them: "GROUP=3".
    2. correlation=copy: Net2WiderNet. New units are made as their masters are, and both share the outgoing weights.
       inverse, rotation, scale (by half), translation: the filters of new units are made from those of their masters;
       auto: by the quarter of the network that the layer lies in, in this order (AdapNet). Other entries (of biases
       and normalisations) are the master's.
    3. outgoing=split: units share the weights that read them. zero: nobody reads new units, so that the function stays
       whatever their filters. copy: new units are read as their masters are, and outputs change. auto: split for
       copies, else zero. noise: added to new filters, as a share of their standard deviation.
    4. Left alone, with the reason: groups that somebody sums, averages or normalises over (but where all units of a
       mean or normalisation are copied equally often), or multiplies with what is computed.
    """

    name: ClassVar[str] = "insert-channels"
    kind: ClassVar[Kind] = "exact"
    summary: ClassVar[str] = "widen layers: copies of channels that share their outgoing weights, or new ones"
    grows: ClassVar[bool] = True

    fraction: float = 0.25
    count: int = 0
    groups: tuple[str, ...] = ()
    masters: ChosenBy = "largest"
    units: tuple[str, ...] = ()
    correlation: AnyCorrelation = "copy"
    outgoing: Literal["auto", "split", "zero", "copy"] = "auto"
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for option in ("masters", "correlation", "outgoing"):
            choices = get_args(hints[option])
            if getattr(self, option) not in choices:
                raise UsageError(f"{option} is {getattr(self, option)}; give one of {', '.join(choices)}")
        if not self._wanted.is_exact:
            object.__setattr__(self, "kind", "approximate")

    @property
    def _wanted(self) -> Masters:
        return Masters(
            self.fraction,
            self.count,
            self.groups,
            self.masters,
            self.units,
            self.correlation,
            None if self.outgoing == "auto" else self.outgoing,
            self.noise,
            self.seed,
        )

    def find(self, graph: Graph, facts: Facts) -> Iterator[Site | Refusal]:
        analysis = probed_analysis(facts)
        insertion, refused = insertion_of(analysis, self._wanted)
        if insertion.groups:
            yield _site(insertion)
        for name, reason in refused.items():
            yield Refusal(name, "group", f"gains no channels: {reason}")

    def apply(self, site: Site, editor: Editor) -> None:
        insert(site.data, editor)


def _site(insertion: Insertion) -> Site:
    """One site: copies are made together, so that those who read several groups see all of them."""
    nodes = [node for node in insertion.analysis.facts.order if node.outputs]
    claims = frozenset(str(node.outputs[0].name) for node in nodes)
    count = sum(one.masters.size for one in insertion.groups)
    listed = ", ".join(
        f"{one.group.name} {one.group.size} -> {one.group.size + one.masters.size}"
        + ("" if one.correlation == "copy" else f" ({one.correlation})")
        for one in insertion.groups
    )
    return Site(
        str(nodes[0].outputs[0].name),
        claims,
        f"add {count} units to {len(insertion.groups)} groups of channels: {listed}",
        insertion,
    )

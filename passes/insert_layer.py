"""A layer is inserted, and the one behind it refitted, so that the function stays what it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from graphmorph.editor import Editor
from graphmorph.errors import UsageError
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.layer_insertion.initialisation import Initialisation
from graphmorph.layer_insertion.insertion import Insertion, captured_from, insertion_of
from graphmorph.layer_insertion.new_layer import Activation
from graphmorph.layer_insertion.settings import Algorithm, LayerSettings
from graphmorph.rewrite import INTERNAL, Kind, Refusal, Rewrite, Site
from graphmorph.runtime import Runtime


@dataclass(frozen=True)
class InsertLayer(Rewrite):
    """Insert a layer behind a node, and refit the layer that reads it (CompNet, NetMorph, Net2DeeperNet).

    1. after: a node or tensor; before: the layer that reads it, where several do. Between them may lie pooling,
       activation functions, dropout and flattening.
    2. algorithm: compnet-1 and compnet-2 drop channels that are like others before their activation function, compnet-3
       those that the next layer's outputs need least; the next layer's weights are fitted on calibration data.
       netmorph takes the next layer apart in two; net2deeper is the identity behind a relu.
    3. Refused, with the reason: where the function would be lost (net2deeper on what may be negative, netmorph before a
       max-pooling), and where what reads the tensor is no layer with constant weights.
    """

    name: ClassVar[str] = "insert-layer"
    kind: ClassVar[Kind] = "approximate"
    summary: ClassVar[str] = "insert a compact layer, and refit the next one on calibration data"
    grows: ClassVar[bool] = True

    after: str = ""
    before: str | None = None
    calibration: str | None = None
    algorithm: Algorithm = "compnet-3"
    channels: int = 0
    kernel: tuple[int, ...] = (3,)
    activation: Activation = "relu"
    slope: float = 0.01
    initialisation: Initialisation = "auto"
    survivors: int | None = None
    explained: float | None = None
    penalty: float = 0.1
    alpha: float = 0.1
    ridge: float = 1e-6
    positions: int = 10
    batch_norm: bool = False
    seed: int = 0
    data: Any = field(default=None, compare=False, repr=False, metadata=INTERNAL)
    chosen: Insertion | None = field(default=None, compare=False, repr=False, metadata=INTERNAL)

    def __post_init__(self) -> None:
        if not self.after and self.chosen is None:
            raise UsageError("insert-layer needs after: the node behind which the layer goes")
        if self.settings.algorithm == "net2deeper":
            object.__setattr__(self, "kind", "exact")

    @property
    def settings(self) -> LayerSettings:
        """What the layer is to be."""
        return LayerSettings(**{one.name: getattr(self, one.name) for one in fields(LayerSettings)})

    def find(self, graph: Graph, facts: Facts) -> Iterator[Site | Refusal]:
        chosen = self.chosen
        if chosen is None:
            with Runtime() as runtime:
                capturing = captured_from(facts, self.data if self.data is not None else self.calibration, runtime)
                chosen = insertion_of(facts, self.settings, self.after, self.before, capturing, runtime)
        yield _site(chosen)

    def apply(self, site: Site, editor: Editor) -> None:
        site.data.stage(editor)


def _site(chosen: Insertion) -> Site:
    place, layer = chosen.place, chosen.layer
    nodes = (*place.path, place.next_layer.node)
    return Site(
        place.next_layer.output,
        frozenset(str(node.outputs[0].name) for node in nodes),
        f"insert {chosen.name} ({place.kind}, {layer.redundant} -> {layer.first.channels} channels) after {place}",
        chosen,
    )

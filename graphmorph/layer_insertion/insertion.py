"""One insertion: a place, and the layer that was made for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphmorph.activations.capture import capture
from graphmorph.activations.rows import Sampling
from graphmorph.editor import Editor
from graphmorph.errors import RefusedError
from graphmorph.facts import Facts
from graphmorph.layer_insertion.calibration import calibration_of
from graphmorph.layer_insertion.edit import stage_layer
from graphmorph.layer_insertion.new_layer import NewLayer
from graphmorph.layer_insertion.place import Place, place_behind
from graphmorph.layer_insertion.settings import LayerSettings
from graphmorph.layer_insertion.solver import new_layer
from graphmorph.layer_insertion.sums import Capturing, Source
from graphmorph.runtime import Runtime

#: Types of weights that onnxruntime has convolutions and products for.
_FLOATS = ("float16", "float32", "float64")


@dataclass(frozen=True, eq=False)
class Insertion:
    """A layer for a place, by the name that its node will have."""

    place: Place
    layer: NewLayer
    name: str

    def stage(self, editor: Editor) -> None:
        """Stage it, in an edit that has begun, of the graph that the place is of."""
        stage_layer(self.layer, self.place, self.name, editor)


def insertion_of(
    facts: Facts, settings: LayerSettings, after: str, before: str | None, capturing: Capturing | None, runtime: Runtime
) -> Insertion:
    """Find the place behind a node or tensor, and make a layer for it. capturing: streams the calibration data.

    Raises:
        UsageError: there is no such place, or settings and data do not fit it.
        RefusedError: no layer can go there, or none would keep the function.
    """
    place = place_behind(after, facts, before)
    dtype = np.dtype(place.next_layer.weight.dtype)
    if dtype.name not in _FLOATS:
        raise RefusedError(f"{place.next_layer.node.name} has weights of {dtype.name}: float16, 32 or 64 are needed")
    sampling = Sampling(settings.positions, settings.seed) if settings.positions else None
    source = None
    if capturing is not None:
        source = Source(place, capturing, runtime, facts.opset, dtype, sampling)
    return Insertion(place, new_layer(source, place, settings, facts), _name(place, facts))


def captured_from(facts: Facts, data: Any, runtime: Runtime) -> Capturing | None:
    """Streams data through the graph of some facts; None where there are no data."""
    if data is None:
        return None
    readable = calibration_of(data)
    return lambda listeners: capture(facts.graph, listeners, readable, runtime=runtime)


def _name(place: Place, facts: Facts) -> str:
    node = facts.producer.get(place.after)
    return f"{(node.name if node is not None else '') or place.after}_inserted"

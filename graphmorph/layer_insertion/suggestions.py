"""The places of a model where a layer can go, the most promising first."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

from graphmorph import registry
from graphmorph.activations.capture import capture
from graphmorph.errors import RefusedError, UsageError
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.layer_insertion.calibration import calibration_of
from graphmorph.layer_insertion.identity_layer import is_not_negative
from graphmorph.layer_insertion.insertion import insertion_of
from graphmorph.layer_insertion.place import Place, places
from graphmorph.layer_insertion.settings import LayerSettings
from graphmorph.layer_insertion.solver import kernel_of
from graphmorph.layer_insertion.sums import Capturing
from graphmorph.manager import PassManager
from graphmorph.model_file import as_file
from graphmorph.onnx_door import load
from graphmorph.oracle import Oracle, Shapes
from graphmorph.proof.user_data import UserData
from graphmorph.runtime import Runtime

if TYPE_CHECKING:
    import onnx

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto

#: Positions of each sample that a place is tried on.
_POSITIONS = 4


@dataclass(frozen=True)
class Suggestion:
    """A place. channels: of the tensor there, and of the layer that was tried. parameters, multiply_adds: what a layer
    of as many channels adds, the latter for one sample, None where sizes are free. identity: whether net2deeper can go
    there. explained: mean R² of the next layer's outputs behind a random layer of this size, on calibration data.
    refused: why that could not be tried."""

    after: str
    before: str
    path: tuple[str, ...]
    kind: str
    channels: int
    parameters: int
    multiply_adds: int | None
    identity: bool
    explained: float | None = None
    refused: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "path": list(self.path)}


def suggest_places(
    model: Model,
    *,
    calibration: UserData | None = None,
    kernel: int | tuple[int, ...] = 3,
    activation: str = "relu",
    seed: int = 0,
    freeze_initializers: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Suggestion]:
    """Where `graphmorph.insert_layer` can put a layer.

    With calibration data, places come in the order of how much of the function a random layer of no more channels than
    there are keeps, once the next layer is refitted: what is kept for so little leaves room to grow. Without, in the
    order of what such a layer costs.

    Raises:
        ModelFileError: the model cannot be read.
        UsageError: data that cannot be read or do not fit.
    """
    settings = LayerSettings(
        kernel=tuple(kernel) if isinstance(kernel, list | tuple) else (kernel,),
        activation=activation,  # type: ignore[arg-type] # it is checked there
        positions=_POSITIONS,
        seed=seed,
    )
    with ExitStack() as stack:
        runtime = stack.enter_context(Runtime())
        graph = model.copy() if isinstance(model, Graph) else load(model, freeze_initializers=freeze_initializers)
        PassManager([registry.create("fold-constants")], runtime=runtime).run(graph)
        oracle = Oracle(runtime)
        facts = Facts(graph, Shapes(oracle, graph), oracle=oracle)
        capturing = _capturing(graph, calibration, runtime, stack)
        found = list(places(facts))
        suggestions = []
        for number, place in enumerate(found):
            if progress:
                progress("places", number, len(found))
            suggestions.append(_suggestion(place, facts, settings, capturing, runtime))
    _require_one_tried(suggestions)
    return sorted(suggestions, key=_rank)


def _require_one_tried(suggestions: list[Suggestion]) -> None:
    """One reason that refuses every place is not about the places."""
    reasons = {one.refused for one in suggestions}
    if len(reasons) == 1 and (reason := reasons.pop()) is not None:
        raise UsageError(f"no place could be tried: {reason}")


def _capturing(graph: Graph, data: UserData | None, runtime: Runtime, stack: ExitStack) -> Capturing | None:
    if data is None:
        return None
    path, readable = as_file(graph, "captured", stack), calibration_of(data)
    return lambda listeners: capture(path, listeners, readable, batch=32, runtime=runtime)


def _suggestion(
    place: Place, facts: Facts, settings: LayerSettings, capturing: Capturing | None, runtime: Runtime
) -> Suggestion:
    before = place.next_layer.node.name or place.next_layer.node.outputs[0].name
    channels = place.channels
    parameters = channels * channels * prod(_kernel(place, settings)) + channels
    spatial = place.shape[2:] if place.kind == "convolution" else place.shape[1:-1]
    sizes = [size for size in spatial if size is not None]
    suggestion = Suggestion(
        after=_name(place.after, facts),
        before=str(before),
        path=tuple(node.op for node in place.path),
        kind=place.kind,
        channels=channels,
        parameters=parameters,
        multiply_adds=(parameters - channels) * prod(sizes) if len(sizes) == len(spatial) else None,
        identity=is_not_negative(place.after, facts),
    )
    if capturing is None:
        return suggestion
    try:
        asked = replace(settings, channels=channels, survivors=channels)
        layer = insertion_of(facts, asked, place.after, str(before), capturing, runtime).layer
    except (RefusedError, UsageError) as error:
        return replace(suggestion, refused=str(error))
    assert layer.explained is not None
    return replace(suggestion, explained=float(layer.explained.mean()))


def _name(tensor: str, facts: Facts) -> str:
    """What `--after` takes: the node that gives a tensor first, or the tensor itself."""
    node = facts.producer.get(tensor)
    named = node is not None and bool(node.name) and node.outputs[0].name == tensor
    return str(node.name) if node is not None and named else tensor


def _kernel(place: Place, settings: LayerSettings) -> tuple[int, ...]:
    try:
        return kernel_of(place, settings)
    except UsageError:
        return (settings.kernel[0],) * place.spatial


def _rank(one: Suggestion) -> tuple[float, float]:
    cost = float("inf") if one.multiply_adds is None else one.multiply_adds
    return -one.explained if one.explained is not None else 1.0, cost

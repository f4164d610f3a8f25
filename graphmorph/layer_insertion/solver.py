"""From settings and captured sums to a new layer, by the algorithm that was asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from graphmorph.activations.moments import Moments
from graphmorph.errors import UsageError
from graphmorph.facts import Facts
from graphmorph.layer_insertion.compact_layer import compact_layer
from graphmorph.layer_insertion.identity_layer import identity_layer
from graphmorph.layer_insertion.morphism import morphed_layer
from graphmorph.layer_insertion.new_layer import FirstHalf, NewLayer, Statistics
from graphmorph.layer_insertion.outgoing_weights import explained_by
from graphmorph.layer_insertion.place import Place
from graphmorph.layer_insertion.settings import LayerSettings
from graphmorph.layer_insertion.sums import WIDEST, Source


def new_layer(source: Source | None, place: Place, settings: LayerSettings, facts: Facts) -> NewLayer:
    """The new layer for a place. source: what calibration data give; netmorph and net2deeper need none.

    Raises:
        UsageError: settings that do not fit the place, or need calibration data.
        RefusedError: the algorithm cannot keep the function there.
    """
    kernel = kernel_of(place, settings)
    if not settings.is_compnet:
        build = identity_layer if settings.algorithm == "net2deeper" else morphed_layer
        layer = build(place, settings, kernel, facts)
    elif source is None:
        raise UsageError(f"{settings.algorithm} looks at activations: give calibration data")
    else:
        layer = compact_layer(source, settings, kernel)
    if settings.batch_norm:
        if place.kind == "tokens":
            raise UsageError(
                f"a batch normalisation has the channels on axis 1, and {place.after} has them on the last: leave "
                "batch_norm out"
            )
        if source is None:
            raise UsageError("the statistics of a batch normalisation are those of data: give calibration data")
        layer = replace(layer, first=with_statistics(layer.first, source.inputs(kernel)))
    return layer if layer.explained is not None or source is None else _measured(layer, source)


def kernel_of(place: Place, settings: LayerSettings) -> tuple[int, ...]:
    """Sizes of the new layer's window; () for a product.

    Raises:
        UsageError: another number of sizes than the tensor has axes for.
    """
    axes, given = place.spatial, settings.kernel
    if not axes:
        return ()
    if len(given) not in (1, axes):
        raise UsageError(f"a kernel {given} for {place.after}, which has {axes} spatial axes: give one size, or {axes}")
    return given * axes if len(given) == 1 else given


def with_statistics(first: FirstHalf, inputs: Moments) -> FirstHalf:
    """The new layer with a batch normalisation behind it, by the moments (columns) of what it reads."""
    matrix = first.weight.reshape(first.channels, -1)
    mean = matrix @ inputs.mean + first.bias
    variance = np.einsum("cn,nm,cm->c", matrix, inputs.covariance, matrix, optimize=True)
    return replace(first, statistics=Statistics(mean, np.maximum(variance, 0.0)))


def _measured(layer: NewLayer, source: Source) -> NewLayer:
    """How well weights that were not fitted give the outputs again; not said of more columns than are captured."""
    if len(layer.next_weight) > WIDEST:
        too_wide = f"R² was not measured: sums over {len(layer.next_weight)} columns are too wide"
        return replace(layer, notes=(*layer.notes, too_wide))
    pairs = source.pairs(layer.first)
    bias = layer.next_bias if layer.next_bias is not None else source.place.next_layer.bias_values()
    return replace(layer, explained=explained_by(pairs, layer.next_weight, bias), rows=pairs.inputs.count)

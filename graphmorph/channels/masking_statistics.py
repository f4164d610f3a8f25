"""Normalisations made of primitive operators, so that their statistics can leave removed elements out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.channels.elements import Read
from graphmorph.channels.masking_factors import Factors
from graphmorph.channels.masking_primitives import Primitives
from graphmorph.channels.masking_site import MaskingSite

#: GroupNormalization has scale and bias of every channel from this version on; of every group before.
_SCALED_BY_CHANNEL = 21

#: What MeanVarianceNormalization adds to the standard deviation.
_MVN_EPSILON = 1e-9


def replace_normalisation(site: MaskingSite, reads: Sequence[Read], factors: Factors) -> None:
    """Replace a node by primitives whose means are weighted: 0 for what is removed, (size / kept) for the rest.

    Raises:
        RefusedError: the type of its input is not known.
        GraphError: somebody reads its statistics, which are not put out.
    """
    parts = Primitives(site, rank=len(factors.analysis.operand(site.node, 0) or ()))
    output = NORMALISATIONS[site.node.op](parts, reads, factors)
    root = site.node.outputs[0]
    site.editor.node("Identity", f"{root.name}_masked", [output], site.editor.root_stand_in(root))
    site.editor.remove([site.node])


def _layer(parts: Primitives, reads: Sequence[Read], factors: Factors) -> gs.Tensor:
    """LayerNormalization-17."""
    axes, masks = _trailing(parts), parts.masks(reads, factors)
    centred = parts.emit("Sub", parts.x, parts.mean(parts.x, axes, masks))
    variance = parts.mean(parts.emit("Mul", centred, centred), axes, masks)
    return parts.scaled(parts.over_deviation(centred, variance), parts.node.inputs[1], parts.input(2))


def _root_mean_square(parts: Primitives, reads: Sequence[Read], factors: Factors) -> gs.Tensor:
    """RMSNormalization-23."""
    square = parts.mean(parts.emit("Mul", parts.x, parts.x), _trailing(parts), parts.masks(reads, factors))
    return parts.scaled(parts.over_deviation(parts.x, square), parts.node.inputs[1], None)


def _trailing(parts: Primitives) -> list[int]:
    axis = int(parts.attr("axis", -1))
    return list(range(axis + parts.rank if axis < 0 else axis, parts.rank))


def _instance(parts: Primitives, reads: Sequence[Read], factors: Factors) -> gs.Tensor:
    """InstanceNormalization-6."""
    axes, masks = list(range(2, parts.rank)), parts.masks(reads, factors)
    centred = parts.emit("Sub", parts.x, parts.mean(parts.x, axes, masks))
    variance = parts.mean(parts.emit("Mul", centred, centred), axes, masks)
    normalised = parts.over_deviation(centred, variance)
    return parts.scaled(normalised, parts.column(1, len(axes)), parts.column(2, len(axes)))


def _batch(parts: Primitives, reads: Sequence[Read], factors: Factors) -> gs.Tensor:
    """BatchNormalization-14 in training mode: the statistics are those of the input, and nobody reads them."""
    axes, masks = [axis for axis in range(parts.rank) if axis != 1], parts.masks(reads, factors)
    centred = parts.emit("Sub", parts.x, parts.mean(parts.x, axes, masks))
    variance = parts.mean(parts.emit("Mul", centred, centred), axes, masks)
    trailing = parts.rank - 2
    return parts.scaled(parts.over_deviation(centred, variance), parts.column(1, trailing), parts.column(2, trailing))


def _mean_variance(parts: Primitives, reads: Sequence[Read], factors: Factors) -> gs.Tensor:
    """MeanVarianceNormalization-9, -13."""
    axes, masks = [int(axis) % parts.rank for axis in parts.attr("axes", [0, 2, 3])], parts.masks(reads, factors)
    centred = parts.emit("Sub", parts.x, parts.mean(parts.x, axes, masks))
    variance = parts.mean(parts.emit("Mul", centred, centred), axes, masks)
    shape = parts.site.shape(variance)
    deviation = parts.emit("Sqrt", variance, shape=shape)
    normalised = parts.emit("Div", centred, parts.emit("Add", deviation, parts.number(_MVN_EPSILON), shape=shape))
    return normalised if parts.dtype == parts.given_dtype else parts.cast(normalised, parts.given_dtype)


def _group(parts: Primitives, reads: Sequence[Read], factors: Factors) -> gs.Tensor:
    """GroupNormalization-18 and -21: masked as it is, with statistics of the view (N, groups, all else)."""
    groups, sizes = int(parts.attr("num_groups", 1)), parts.site.emit("Shape", [parts.x], gs.Variable("", np.int64))
    view, grouped = parts.integers(0, groups, -1), (parts.shape[0], groups, None)
    masks = parts.masks([read for read in reads if read.axis > 1], factors)
    masks += _channel_masks(parts, factors, groups)

    def mean(values: gs.Tensor) -> gs.Tensor:
        for mask in masks:
            values = parts.emit("Mul", values, mask)
        return parts.mean(parts.emit("Reshape", values, view, shape=grouped), [2])

    centred = parts.emit("Sub", parts.emit("Reshape", parts.x, view, shape=grouped), mean(parts.x), shape=grouped)
    there = parts.emit("Reshape", centred, sizes)
    normalised = parts.over_deviation(centred, mean(parts.emit("Mul", there, there)))
    if parts.site.facts.opset < _SCALED_BY_CHANNEL:
        scaled = parts.scaled(normalised, parts.column(1, 1), parts.column(2, 1))
        return parts.site.emit("Reshape", [scaled, sizes], scaled, shape=parts.shape)
    trailing = parts.rank - 2
    back = parts.emit("Reshape", normalised, sizes)
    return parts.scaled(back, parts.column(1, trailing), parts.column(2, trailing))


def _channel_masks(parts: Primitives, factors: Factors, groups: int) -> list[gs.Tensor]:
    """Every group has a count of its own; one that goes as a whole is left as it is."""
    along = factors.of_input(parts.node, 0, 1)
    if along is None:
        return []
    keep = along.reshape(groups, -1)
    keep = keep | ~keep.any(axis=1, keepdims=True)
    weights = keep * (keep.shape[1] / keep.sum(axis=1, keepdims=True))
    mask = weights.astype(parts.dtype).reshape(-1, *(1,) * (parts.rank - 2))
    return [parts.site.constant(f"{parts.node.inputs[0].name}_mask", mask)]


_Build = Callable[[Primitives, Sequence[Read], Factors], gs.Tensor]

#: How the operators are made of primitives.
NORMALISATIONS: dict[str, _Build] = {
    "BatchNormalization": _batch,
    "GroupNormalization": _group,
    "InstanceNormalization": _instance,
    "LayerNormalization": _layer,
    "MeanVarianceNormalization": _mean_variance,
    "RMSNormalization": _root_mean_square,
    "SimplifiedLayerNormalization": _root_mean_square,
}

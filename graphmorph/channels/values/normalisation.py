"""Normalisations: with given statistics, and with those of the input itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from graphmorph.channels.values.binary import added, multiplied
from graphmorph.channels.values.elementwise import Bounds, aligned, elementwise
from graphmorph.channels.values.fact import Fact, Float64
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.rounding import lower, margin, outward, product, times, upper
from graphmorph.channels.values.telling import settle
from graphmorph.channels.values.view import View

#: Rounding of a normalised value: a few operations, and what runtimes fold into the scale.
OPERATIONS = 4
#: Roundings of x * slope + (bias - mean * slope), besides those of the slope: half of what margin allows for each.
SHIFTED = 1.5


@rule("BatchNormalization")
def _batch_normalization(view: View) -> None:
    """Operator BatchNormalization: (x - mean) / sqrt(variance + epsilon) * scale + bias, in any order."""
    training = (
        view.facts.training
        or view.facts.opset < 7
        or int(view.attribute("training_mode", 0))
        or not int(view.attribute("spatial", 1))
    )
    if training or any(tensor.name for tensor in view.node.outputs[1:]):
        _by_batch(view)
        return
    scale, bias, mean, variance = (view.value(index) for index in (1, 2, 3, 4))
    slope = scale / np.sqrt(variance + float(view.attribute("epsilon", 1e-5)))
    slope = np.where(np.isfinite(mean) & np.isfinite(bias), slope, np.nan)
    x = view.told_apart(view.collapsed(view.fact(0), but=(1,)), 1)
    ends = x.low.reshape(-1), x.high.reshape(-1)
    low, high = _in_parts(ends, slope, mean, bias, x.dtype)
    least, most = _as_a_whole(ends, slope, mean, bias, x.dtype)
    low, high = np.fmax(low, least), np.fmin(high, most)
    value = (x.constant.reshape(-1) - mean) * slope + bias
    parameters = [view.numbering.of_constants(array) for array in (scale, bias, mean, variance)]
    number = view.combine(("BatchNormalization", view.attribute("epsilon", 1e-5)), x.number.reshape(-1), *parameters)
    extents = x.extents
    view.give(number.reshape(extents), value.reshape(extents), low.reshape(extents), high.reshape(extents))


def _in_parts(x: Bounds, slope: Float64, mean: Float64, bias: Float64, dtype: int | None) -> Bounds:
    """Bounds of x * slope - mean * slope + bias: exact where one term is not zero, and where all are of one sign."""
    low, high = outward(*product(x, (slope, slope), dtype), OPERATIONS, dtype)
    shift = outward(*product((-mean, -mean), (slope, slope), dtype), OPERATIONS, dtype)
    return lower([low, shift[0], bias], dtype), upper([high, shift[1], bias], dtype)


def _as_a_whole(x: Bounds, slope: Float64, mean: Float64, bias: Float64, dtype: int | None) -> Bounds:
    """Bounds of (x - mean) * slope + bias: near where the terms cancel, as what the slope is off goes with x - mean.

    Besides, each term is rounded once or twice.
    """
    low, high = outward(*product((x[0] - mean, x[1] - mean), (slope, slope), dtype), OPERATIONS, dtype)
    reach = np.maximum(np.abs(x[0]), np.abs(x[1]))
    off = margin(times(reach + np.abs(mean), np.abs(slope)) + np.abs(bias), SHIFTED, dtype)
    return low + bias - off, high + bias + off


def _by_batch(view: View) -> None:
    """With statistics of the batch nothing but the bias is left where the scale is zero. Channels are equal if their
    running statistics are, too: they will be in evaluation mode."""
    if view.facts.opset < 7 or not int(view.attribute("spatial", 1)):
        raise LookupError("the statistics are not those of channels")
    scale, bias, mean, variance = (view.value(index) for index in (1, 2, 3, 4))
    x = view.told_apart(view.collapsed(view.fact(0), but=(1,)), 1)
    shut = (scale == 0) & np.isfinite(bias)
    parameters = [view.numbering.of_constants(array) for array in (scale, bias, mean, variance)]
    tag = ("BatchNormalization", "of the batch", view.attribute("epsilon", 1e-5), x.slice_shape)
    number = view.combine(tag, x.number.reshape(-1), *parameters).reshape(x.extents)
    low, high = (np.where(shut, bias, bound).reshape(x.extents) for bound in (-np.inf, np.inf))
    view.give(number, None, low, high)


@rule("LayerNormalization", "RMSNormalization")
def _layer_normalization(view: View) -> None:
    """Statistics over the last axes; then a scale and a bias for each of their elements."""
    x = view.fact(0)
    axis = int(view.attribute("axis", -1)) % x.rank
    normalised = with_statistics(view, x, tuple(range(axis, x.rank)))
    _scale_and_shift(view, normalised, range(1, view.count()), None)


@rule("InstanceNormalization")
def _instance_normalization(view: View) -> None:
    """Statistics of every channel, over the axes behind it."""
    x = view.fact(0)
    normalised = with_statistics(view, x, tuple(range(2, x.rank)))
    _scale_and_shift(view, normalised, (1, 2), 1)


@rule("GroupNormalization")
def _group_normalization(view: View) -> None:
    """Operator GroupNormalization; scale and bias are those of channels since version 21, of groups before."""
    x = view.told_apart(view.fact(0), 1)
    groups = int(view.attribute("num_groups", 1))
    x = view.collapsed(x, but=(1,))
    rows = x.number.reshape(groups, -1)
    statistics = view.numbering.labelled(np.arange(groups))
    number = view.combine((view.operation, x.slice_shape), rows, statistics[:, np.newaxis]).reshape(x.extents)
    normalised = settle(view.numbering, x.outline, number)
    if view.array(1).size != x.sizes[1]:
        raise LookupError("scale and bias are those of groups")
    _scale_and_shift(view, normalised, (1, 2), 1)


@rule("LpNormalization", "MeanVarianceNormalization")
def _other(view: View) -> None:
    x = view.fact(0)
    default = view.attribute("axes", (0, 2, 3)) if view.node.op[0] == "M" else [view.attribute("axis", -1)]
    view.give(with_statistics(view, x, tuple(int(axis) % x.rank for axis in default)).number)


def with_statistics(view: View, x: Fact, axes: tuple[int, ...]) -> Fact:
    """Elements of x, each with the statistics of all elements along some axes: nothing is known of the values."""
    others = tuple(axis for axis in range(x.rank) if axis not in axes)
    together = view.collapsed(x, but=others)
    tag = (view.operation, x.slice_shape)
    return settle(view.numbering, x.outline, view.combine(tag, x.number, together.number))


def _scale_and_shift(view: View, x: Fact, indices: range | tuple[int, ...], axis: int | None) -> None:
    """Times the first of some inputs, plus the second; they lie along an axis, or along the last ones."""
    fact = x
    for index, tag, value, bound in zip(
        indices, ("times", "plus"), (np.multiply, np.add), (multiplied, added), strict=False
    ):
        array = view.array(index)
        if axis is not None:
            array = array.reshape([-1 if a == axis else 1 for a in range(x.rank)])
        facts = aligned(view.numbering, [fact, view.of_constant(array)], (False, True))
        fact = elementwise(view.numbering, x.outline, (view.node.op, tag), facts, value, bound)
    view.outputs[0] = replace(fact, outline=view.output_outline())

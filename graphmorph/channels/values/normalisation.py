"""Normalisations: with given statistics, and with those of the input itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from graphmorph.channels.values.binary import added, multiplied
from graphmorph.channels.values.elementwise import aligned, elementwise
from graphmorph.channels.values.fact import Fact
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.rounding import lower, outward, product, upper
from graphmorph.channels.values.telling import settle
from graphmorph.channels.values.view import View

#: Rounding of a normalised value: a few operations, and what runtimes fold into the scale.
OPERATIONS = 4


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
    low, high = (array.reshape(-1) for array in (x.low, x.high))
    low, high = product((low, high), (slope, slope), x.dtype)
    low, high = outward(low, high, OPERATIONS, x.dtype)
    shift = outward(*product((-mean, -mean), (slope, slope), x.dtype), OPERATIONS, x.dtype)
    low, high = lower([low, shift[0], bias], x.dtype), upper([high, shift[1], bias], x.dtype)
    value = (x.constant.reshape(-1) - mean) * slope + bias
    parameters = [view.numbering.of_constants(array) for array in (scale, bias, mean, variance)]
    number = view.combine(("BatchNormalization", view.attribute("epsilon", 1e-5)), x.number.reshape(-1), *parameters)
    extents = x.extents
    view.give(number.reshape(extents), value.reshape(extents), low.reshape(extents), high.reshape(extents))


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
    normalised = _with_statistics(view, x, tuple(range(axis, x.rank)))
    _scale_and_shift(view, normalised, range(1, view.count()), None)


@rule("InstanceNormalization")
def _instance_normalization(view: View) -> None:
    """Statistics of every channel, over the axes behind it."""
    x = view.fact(0)
    normalised = _with_statistics(view, x, tuple(range(2, x.rank)))
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


@rule("Softmax", "LogSoftmax")
def _softmax(view: View) -> None:
    """Over one axis since version 13, over all axes from one on before."""
    x = view.fact(0)
    axis = int(view.attribute("axis", -1 if view.facts.opset >= 13 else 1)) % max(x.rank, 1)
    axes = (axis,) if view.facts.opset >= 13 else tuple(range(axis, x.rank))
    fact = _with_statistics(view, x, axes)
    ones = np.ones(fact.extents)
    if view.node.op == "Softmax":
        low, high = outward(0 * ones, ones, 16, x.dtype)
        view.give(fact.number, None, low, high)
    else:
        view.give(fact.number)


@rule("LpNormalization", "MeanVarianceNormalization")
def _other(view: View) -> None:
    x = view.fact(0)
    default = view.attribute("axes", (0, 2, 3)) if view.node.op[0] == "M" else [view.attribute("axis", -1)]
    view.give(_with_statistics(view, x, tuple(int(axis) % x.rank for axis in default)).number)


def _with_statistics(view: View, x: Fact, axes: tuple[int, ...]) -> Fact:
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

"""Softmax: shares of a whole, and who multiplies by them."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.channels.values.fact import Fact, Float64
from graphmorph.channels.values.normalisation import with_statistics
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.rounding import MANY, outward
from graphmorph.channels.values.view import View
from graphmorph.facts import Facts

#: Roundings of a share that are always there; each of the sum's terms adds one.
ROUNDINGS = 16
#: What an approximated exponential is off, and its argument after the maximum was taken off, in roundings.
APPROXIMATED, FOR_EACH_UNIT = 512, 4


@rule("Softmax", "LogSoftmax")
def _softmax(view: View) -> None:
    """Over one axis since version 13, over all axes from one on before."""
    x = view.fact(0)
    axes = _axes(view.node, x.rank, view.facts.opset)
    number = with_statistics(view, x, axes).number
    if view.node.op == "Softmax":
        view.give(number, *_shares(x, axes))
    else:
        view.give(number)


def _axes(node: gs.Node, rank: int, opset: int) -> tuple[int, ...]:
    axis = int(node.attrs.get("axis", -1 if opset >= 13 else 1)) % max(rank, 1)
    return (axis,) if opset >= 13 else tuple(range(axis, rank))


def are_shares(facts: Facts, tensor: gs.Tensor, rank: int, axis: int) -> bool:
    """Whether a tensor of that rank comes out of a Softmax along that axis: elements of at least 0 that add up to 1."""
    maker = facts.producer.get(tensor.name)
    if maker is None or maker.op != "Softmax" or not facts.is_standard(maker):
        return False
    return _axes(maker, rank, facts.opset) == (axis % rank,)


def weighted_by_shares(view: View, product: Fact, axis: int) -> Fact | None:
    """Of an input that is values times shares of a Softmax along the axis: the values, told apart no more than the
    products are, and not along the axis."""
    maker = view.producer(0)
    if maker is None or maker.node.op != "Mul":
        return None
    kept = tuple(a for a in range(product.rank) if product.told_apart(a) and a != axis)
    for index in (0, 1):
        try:
            shares, values = maker.fact(index), maker.fact(1 - index).lifted(product.rank)
        except LookupError:
            return None
        there = axis - product.rank + shares.rank
        whole = there >= 0 and (shares.sizes[there], there in shares.free) == (
            product.sizes[axis],
            axis in product.free,
        )
        if whole and are_shares(view.facts, maker.node.inputs[index], shares.rank, there):
            return view.collapsed(values, but=kept)
    return None


def mean_bounds(values: Fact, terms: float, dtype: int | None) -> tuple[Float64, Float64]:
    """Bounds of a mean of so many values whose weights come out of a Softmax."""
    return outward(values.low, values.high, 2 * min(terms, MANY) + ROUNDINGS, dtype)


def _shares(x: Fact, axes: tuple[int, ...]) -> tuple[Float64, Float64, Float64]:
    """Value, lower and upper bound of every share: e^x by the sum of all, which are `count` of each that is told apart.

    A share is least where its own argument is least and all others are greatest.
    """
    count = prod(x.sizes[axis] for axis in axes if not x.told_apart(axis))
    top = x.high.max(axis=axes, keepdims=True)
    reach = top - x.low.min(axis=axes, keepdims=True)
    known = np.isfinite(reach) & (not any(axis in x.free for axis in axes))
    value, least, most = (np.exp(bound - top) for bound in (x.constant, x.low, x.high))
    low = least / (least + _others(most, axes, count, 1))
    high = most / (most + _others(least, axes, count, -1))
    terms = ROUNDINGS + prod(x.sizes[axis] for axis in axes)
    operations = float(terms + APPROXIMATED + FOR_EACH_UNIT * np.max(reach, where=known, initial=0.0))
    low, high = outward(np.where(known, low, 0.0), np.where(known, high, 1.0), operations, x.dtype)
    constant = np.where(known, value / (count * value.sum(axis=axes, keepdims=True)), np.nan)
    most_of_all = outward(np.zeros(1), np.ones(1), ROUNDINGS, x.dtype)[1]
    return constant, low, np.minimum(high, most_of_all)


def _others(terms: Float64, axes: tuple[int, ...], count: int, sign: int) -> Float64:
    """What all but one of the terms add up to, and as much more or less as rounding may have taken off."""
    total = terms.sum(axis=axes, keepdims=True) * count
    return np.asarray(np.maximum(total - terms + sign * 2.0**-50 * total, 0.0))

"""A product with a matrix of weights where other axes tell elements apart, too: heads, windows, channels of a mixer."""

from __future__ import annotations

from collections.abc import Hashable
from math import prod

import numpy as np

from graphmorph.channels.values.contraction import CHUNK, Columns, Sums, Weights, contract
from graphmorph.channels.values.convolution import joined
from graphmorph.channels.values.fact import LIMIT, Fact, Float64, Numbers
from graphmorph.channels.values.numbering import Numbering
from graphmorph.channels.values.rounding import margin, not_above_zero, times
from graphmorph.channels.values.view import View

#: Up to so many places are contracted one by one. Beyond, only the axis that is contracted is told apart.
PLACES = 64
#: A result with up to this many elements is looked at; it is coarsened afterwards where it tells least.
ELEMENTS = 4 * LIMIT


def give_by_place(view: View, x: Fact, axis: int, weights: Weights, tag: tuple[Hashable, ...], name: str) -> bool:
    """Say what follows for each place along the other axes of x that are told apart; False where there is none, where
    there are too many, or where that would tell nothing.

    weights: [rows, x's size along the axis, 1], of the constant `name`.
    """
    extents = tuple(extent for a, extent in enumerate(x.extents) if a != axis)
    places = prod(extents)
    if places == 1:
        return False
    rows, work = weights().shape[0], places * weights().size
    if x.told_apart(axis):
        if places > PLACES or work > CHUNK:
            return False
        found = _one_by_one(view, x, axis, weights, (*tag, x.slice_shape))
    else:
        if places * rows > ELEMENTS or not _tells(x.number.reshape(-1), x.constant.reshape(-1)):
            return False
        found = _of_slices(view.numbering, (tag, x.slice_shape, name), Columns.along(x), weights)
    number = np.moveaxis(found.number.reshape(*extents, -1), -1, axis)
    bounds = (np.moveaxis(array.reshape(*extents, -1), -1, axis) for array in (found.constant, found.low, found.high))
    view.give(number, *bounds)
    return True


def _tells(number: Numbers, constant: Float64) -> bool:
    """Whether anything is known of some elements: a constant, or that two are equal."""
    return bool((~np.isnan(constant)).any()) or np.unique(number).size < number.size


def _one_by_one(view: View, x: Fact, axis: int, weights: Weights, tag: Hashable) -> Sums:
    arrays = [np.moveaxis(array, axis, -1) for array in (x.constant, x.low, x.high, x.number)]
    constant, low, high, number = (array.reshape(-1, array.shape[-1]) for array in arrays)
    return joined(
        [
            contract(view.numbering, tag, Columns(constant[p], low[p], high[p], number[p], x.dtype), weights)
            for p in range(number.shape[0])
        ]
    )


def _of_slices(numbering: Numbering, tag: Hashable, columns: Columns, weights: Weights) -> Sums:
    """Facts about weights @ slice for each of several slices that are contracted as a whole: [slices, rows], or
    [slices, 1] where nothing is known of single rows.

    tag: as in `contract`, and which weights these are.
    """
    part: Float64 = weights().astype(np.float64)
    label = numbering.of_rows((tag, "slices"), lambda: weights()[:, :, 0])
    used = np.any(part != 0, axis=(1, 2))
    varies = ~columns.fixed[:, np.newaxis] & used
    constant = np.where(varies, np.nan, times(part.sum(axis=(1, 2)), columns.constant[:, np.newaxis]))
    low, high = -_upper_slices(columns, -part), _upper_slices(columns, part)
    number = columns.number[:, np.newaxis]
    if _tells(label, np.where(used, np.nan, 0.0)) or not np.isnan(constant).all():
        return Sums(numbering.combine((tag, "slices"), number, label), constant, low, high)
    low, high = low.min(axis=1, keepdims=True), high.max(axis=1, keepdims=True)
    return Sums(numbering.combine((tag, "whole"), number), np.full(number.shape, np.nan), low, high)


def _upper_slices(columns: Columns, part: Float64) -> Float64:
    ups = times(np.maximum(part, 0).sum(axis=(1, 2)), columns.high[:, np.newaxis])
    downs = times(np.minimum(part, 0).sum(axis=(1, 2)), columns.low[:, np.newaxis])
    bound = ups + downs + margin(np.abs(ups) + np.abs(downs), part[0].size + 2, columns.dtype)
    return not_above_zero(bound, (ups <= 0) & (downs <= 0))

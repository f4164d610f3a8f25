"""Sums of weights times columns of an input: what Conv, ConvTranspose, Gemm and MatMul have in common."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.values.fact import Fact, Float64, Numbers
from graphmorph.channels.values.numbering import Numbering
from graphmorph.channels.values.rounding import margin, not_above_zero, times

#: A matrix of weights: [rows, columns, taps], read when it is asked for.
Weights = Callable[[], NDArray[Any]]

#: Columns looked at first: in a trained layer they tell that nothing is known of a row's sum.
SAMPLED = 16
#: Weights that are taken to float64 at a time.
CHUNK = 1 << 22
#: Weights of equal columns are added; where that cancels more than this, sums do not say whether rows are equal.
CANCELLED = 16.0


@dataclass(frozen=True, eq=False)
class Columns:
    """The facts of the columns: arrays of one axis. padded: in some positions some taps read zeros instead."""

    constant: Float64
    low: Float64
    high: Float64
    number: Numbers
    dtype: int | None
    padded: bool = False

    @classmethod
    def along(cls, fact: Fact, *, padded: bool = False) -> Columns:
        """A fact that tells elements apart along one axis."""
        constant, low, high = fact.constant.reshape(-1), fact.low.reshape(-1), fact.high.reshape(-1)
        return cls(constant, low, high, fact.number.reshape(-1), fact.dtype, padded)

    def part(self, which: slice | NDArray[Any]) -> Columns:
        constant, low, high = self.constant[which], self.low[which], self.high[which]
        return Columns(constant, low, high, self.number[which], self.dtype, self.padded)

    @property
    def fixed(self) -> NDArray[np.bool_]:
        """Columns whose share of a sum is the same whatever the input, and in every position."""
        return (self.low == 0) & (self.high == 0) if self.padded else ~np.isnan(self.constant)


@dataclass(frozen=True, eq=False)
class Sums:
    """What is known of the sums, by row."""

    number: Numbers
    constant: Float64
    low: Float64
    high: Float64


def contract(numbering: Numbering, tag: Hashable, columns: Columns, weights: Weights) -> Sums:
    """Facts about weights @ columns.

    tag: how positions of the input become those of the output, so that sums of the same columns under the same tag
    are the same function of these columns and the weights.
    """
    matrix = weights()
    return Sums(_numbers(numbering, tag, columns, weights, matrix), *_bounds(columns, matrix))


def _numbers(numbering: Numbering, tag: Hashable, columns: Columns, weights: Weights, matrix: NDArray[Any]) -> Numbers:
    """Rows are equal when they have the same weights, those of equal columns added and those of zeros left out."""
    used = np.flatnonzero((columns.low != 0) | (columns.high != 0))
    numbers = columns.number[used]
    if np.unique(numbers).size == columns.number.size:
        key = (tag, matrix.shape[1:], numbers.tobytes())
        return numbering.of_rows(key, lambda: _flat(weights()))
    order = np.argsort(numbers, kind="stable")
    used, numbers = used[order], numbers[order]
    key = (tag, matrix.shape[2:], numbers.tobytes())
    return numbering.of_rows(key, lambda: _canonical(weights()[:, used].astype(np.float64), numbers))


def _flat(matrix: NDArray[Any]) -> NDArray[Any]:
    return matrix.reshape(matrix.shape[0], -1)


def _canonical(matrix: Float64, numbers: Numbers) -> Float64:
    """Weights of equal columns (neighbours) added; followed, in rows where sums cancel, by the row as it was."""
    firsts = np.flatnonzero(np.diff(numbers, prepend=-1))
    if not firsts.size:
        return np.zeros((matrix.shape[0], 0))
    summed = np.add.reduceat(matrix, firsts, axis=1)
    magnitude = np.add.reduceat(np.abs(matrix), firsts, axis=1)
    cancelled = np.asarray(np.any(magnitude > CANCELLED * np.abs(summed), axis=(1, 2)))
    return np.concatenate([_flat(summed), _flat(matrix) * cancelled[:, np.newaxis]], axis=1)


def contract_each(numbering: Numbering, tag: Hashable, columns: Columns, weights: Weights) -> Sums:
    """Facts about weights * columns, one column for each row; weights: [rows, taps]."""
    matrix = weights()
    label = numbering.of_rows((tag, "each", matrix.shape[1:], columns.number.tobytes()), weights)
    number = numbering.combine((tag, "each"), label, columns.number)
    part: Float64 = matrix.astype(np.float64)
    varies = np.any(part != 0, axis=1) & ~columns.fixed
    constant = np.where(varies, np.nan, times(part.sum(axis=1), columns.constant))
    return Sums(number, constant, -_upper_each(columns, -part), _upper_each(columns, part))


def _bounds(columns: Columns, matrix: NDArray[Any]) -> tuple[Float64, Float64, Float64]:
    """Value, lower and upper bound of every sum."""
    rows = matrix.shape[0]
    constant, low, high = np.full(rows, np.nan), np.full(rows, -np.inf), np.full(rows, np.inf)
    told = np.flatnonzero(~_hopeless(columns, matrix))
    step = max(1, CHUNK // max(1, matrix[0].size if rows else 1))
    for start in range(0, told.size, step):
        some = told[start : start + step]
        part = matrix[some].astype(np.float64)
        high[some] = _upper(columns, part)
        low[some] = -_upper(columns, -part)
        constant[some] = _constant(columns, part)
    return constant, low, high


def _hopeless(columns: Columns, matrix: NDArray[Any]) -> NDArray[np.bool_]:
    """Rows that a few columns already show to be unbounded above and below."""
    unbounded = np.flatnonzero(np.isinf(columns.low) | np.isinf(columns.high))
    some = unbounded[np.unique(np.linspace(0, max(unbounded.size - 1, 0), SAMPLED).astype(np.int64))[: unbounded.size]]
    part = matrix[:, some]
    positive, negative = np.any(part > 0, axis=2), np.any(part < 0, axis=2)
    above, below = np.isposinf(columns.high[some]), np.isneginf(columns.low[some])
    up = np.any(positive & above | negative & below, axis=1)
    down = np.any(positive & below | negative & above, axis=1)
    return np.asarray(up & down)


def _upper(columns: Columns, part: Float64) -> Float64:
    """Upper bounds of sums, safe against rounding."""
    ups, downs = _shares(columns, part)
    magnitude = (np.abs(ups) + np.abs(downs)).sum(axis=1)
    bound = (ups + downs).sum(axis=1) + margin(magnitude, part[0].size + 2, columns.dtype)
    return not_above_zero(bound, np.all((ups <= 0) & (downs <= 0), axis=1))


def _upper_each(columns: Columns, part: Float64) -> Float64:
    ups, downs = (share[:, 0] for share in _shares(columns, part[:, np.newaxis], each=True))
    bound = ups + downs + margin(np.abs(ups) + np.abs(downs), part.shape[1] + 2, columns.dtype)
    return not_above_zero(bound, (ups <= 0) & (downs <= 0))


def _shares(columns: Columns, part: Float64, *, each: bool = False) -> tuple[Float64, Float64]:
    """What positive and negative weights add at most: [rows, columns]. With padding any tap may be missing."""
    high, low = columns.high, columns.low
    if columns.padded:
        high, low = np.maximum(high, 0), np.minimum(low, 0)
    if each:
        high, low = high[:, np.newaxis], low[:, np.newaxis]
    return times(np.maximum(part, 0).sum(axis=2), high), times(np.minimum(part, 0).sum(axis=2), low)


def _constant(columns: Columns, part: Float64) -> Float64:
    """Sums in which nothing but constants has a weight; NaN elsewhere."""
    fixed = columns.fixed
    varies = np.any(part[:, ~fixed] != 0, axis=(1, 2))
    value = part[:, fixed].sum(axis=2) @ np.where(np.isnan(columns.constant), 0.0, columns.constant)[fixed]
    return np.where(varies, np.nan, value)

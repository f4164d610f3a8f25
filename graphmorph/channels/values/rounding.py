"""Interval arithmetic that is safe against rounding in the tensors' own precision.

Rounding to nearest is monotone. Hence a rounded sum is at most the rounded sum of its terms' upper ends, in whatever
order, with fused multiply-adds or without; and sums of terms that are not positive are not positive, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from graphmorph.channels.values.fact import Float64

#: Unit roundoff by element type; the coarsest where the type is not known.
_UNITS: dict[int, float] = {
    onnx.TensorProto.FLOAT: 2.0**-24,
    onnx.TensorProto.DOUBLE: 2.0**-53,
    onnx.TensorProto.FLOAT16: 2.0**-11,
    onnx.TensorProto.BFLOAT16: 2.0**-8,
}
#: Below this a result may be flushed to zero, or be denormal.
_TINY: dict[int, float] = {onnx.TensorProto.DOUBLE: 2.0**-1022, onnx.TensorProto.FLOAT16: 2.0**-24}
_LARGEST: dict[int, float] = {
    onnx.TensorProto.FLOAT: float(np.finfo(np.float32).max),
    onnx.TensorProto.DOUBLE: float(np.finfo(np.float64).max),
    onnx.TensorProto.FLOAT16: 65504.0,
    onnx.TensorProto.BFLOAT16: 3.3895313892515355e38,
}

#: A divisor may be flushed to zero, unless it is larger.
SMALLEST = 2.0**-100

#: Terms of a sum over axes whose sizes differ between runs: more than that are not expected.
MANY = 1 << 14


def is_floating(dtype: int | None) -> bool:
    """Whether values of a type are known to round as numbers do."""
    return dtype in _UNITS


def unit(dtype: int | None) -> float:
    """The largest relative error of one rounding."""
    return _UNITS.get(dtype or 0, 2.0**-8)


def tiny(dtype: int | None) -> float:
    """How far a result may be off near 0, where there are no more bits or none are kept."""
    return _TINY.get(dtype or 0, 2.0**-126)


def largest(dtype: int | None) -> float:
    """The largest finite number of a type."""
    return _LARGEST.get(dtype or 0, float(np.finfo(np.float64).max))


def margin(magnitude: Float64, operations: float, dtype: int | None) -> Float64:
    """How far rounding may carry a result of so many operations on terms whose magnitudes sum to `magnitude`."""
    found: Float64 = np.where(magnitude > 0, 2 * operations * unit(dtype) * magnitude + operations * tiny(dtype), 0.0)
    return found


def upper(terms: Sequence[Float64], dtype: int | None) -> Float64:
    """An upper bound of a rounded sum, from upper bounds of its terms; exact where one term at most is not zero."""
    total = np.asarray(sum(terms[1:], terms[0]), np.float64)
    magnitude = np.asarray(sum((np.abs(t) for t in terms[1:]), np.abs(terms[0])), np.float64)
    several = sum(np.asarray(t != 0, np.int64) for t in terms) > 1
    high = total + np.where(several, margin(magnitude, len(terms), dtype), 0.0)
    negative = np.all(np.broadcast_arrays(*[t <= 0 for t in terms]), axis=0)
    return not_above_zero(high, negative)


def not_above_zero(high: Float64, negative: NDArray[np.bool_]) -> Float64:
    """Upper bounds, with what no rounding can change: a sum without positive terms is not positive."""
    return np.where(negative, np.where(np.isnan(high), 0.0, np.minimum(high, 0.0)), high)


def lower(terms: Sequence[Float64], dtype: int | None) -> Float64:
    """A lower bound of a rounded sum, from lower bounds of its terms."""
    return -upper([-t for t in terms], dtype)


def outward(low: Float64, high: Float64, operations: float, dtype: int | None) -> tuple[Float64, Float64]:
    """Bounds of a result that has gone through some correctly rounded operations; signs and zeros are exact."""
    down = low - margin(np.abs(low), operations, dtype)
    up = high + margin(np.abs(high), operations, dtype)
    return np.where(low >= 0, np.maximum(down, 0), down), np.where(high <= 0, np.minimum(up, 0), up)


def times(first: Float64, second: Float64) -> Float64:
    """A product where 0 times anything is 0."""
    found: Float64 = np.where((first == 0) | (second == 0), 0.0, first * second)
    return found


def product(
    first: tuple[Float64, Float64], second: tuple[Float64, Float64], dtype: int | None
) -> tuple[Float64, Float64]:
    """Bounds of a product."""
    ends = np.stack(np.broadcast_arrays(*[times(a, b) for a in first for b in second]))
    return outward(ends.min(axis=0), ends.max(axis=0), 1, dtype)

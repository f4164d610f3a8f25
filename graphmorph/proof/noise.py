"""The threshold: how much two equivalent models may differ by rounding, measured on the model itself.

A candidate is first judged by rounding alone; the noise of the reference is measured where that does not suffice.
The floor of an output is then the larger of
- what onnxruntime's own optimizations change in the reference (on against off, on the same inputs), and
- 16 units in the last place of the output's own size (1 unit for 16-bit floats, whose sums are kept in 32
  bits: 16 of them would be a tolerance of an eighth of the output).
The tolerance is 8 floors. Size and measured noise are taken per slice of each axis, so that scores beside
pixel coordinates in one output are not judged by the coordinates' size; but a slice never counts for less
than 1/16 of the whole output, since channels that cancel out inherit the noise of what they were summed from,
and one in which noise was hardly seen (a saturated output) counts as the whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphmorph.proof.compare import elementwise, is_discrete

FLOORS_TOLERATED = 8.0
_SLICE_ELEMENTS = 64
_SLICE_SHARE = 1.0 / 16.0
_SLICE_SAMPLES = 32

_ROUNDING = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 16 * 2.0**-23, "float64": 16 * 2.0**-52}


def rounding_share(dtype_name: str) -> float:
    """Rounding floor in units of the output's size; 0 for integers, which do not round."""
    return _ROUNDING.get(dtype_name, 2.0**-6 if dtype_name.startswith("float8") else 0.0)


def slice_size(magnitude: np.ndarray, samples: int = 0) -> np.ndarray:
    """Size of the neighbourhood of each element, broadcastable to the array's shape.

    For each element the smallest, over all axes, of the largest magnitude in its slice of that axis; slices
    with fewer than 64 elements are not looked at. A slice in which fewer than `samples` elements are not zero
    says too little about its own size and counts as the whole does.
    """
    if magnitude.size == 0:
        return np.zeros((1,) * magnitude.ndim)
    whole = float(magnitude.max())
    size = np.full((1,) * magnitude.ndim, whole)
    for axis, length in enumerate(magnitude.shape):
        if length > 1 and magnitude.size // length >= _SLICE_ELEMENTS:
            others = tuple(other for other in range(magnitude.ndim) if other != axis)
            largest = magnitude.max(axis=others, keepdims=True)
            if samples:
                seen = np.count_nonzero(magnitude, axis=others, keepdims=True)
                largest = np.where(seen >= samples, largest, whole)
            size = np.minimum(size, largest)
    return np.asarray(np.maximum(size, whole * _SLICE_SHARE))


def noise_floor(reference: np.ndarray, other: np.ndarray | None) -> np.ndarray:
    """Floor of one output, elementwise (broadcastable to its shape).

    Args:
        reference: the output with optimizations off.
        other: the same output of the same model by another route (optimizations on, or jittered inputs).

    For discrete outputs the floor is the share of elements on which the two routes disagree.
    """
    comparable = other is not None and other.shape == reference.shape and other.dtype == reference.dtype
    errors = elementwise(reference, other if comparable and other is not None else reference)
    if is_discrete(reference):
        share = float(errors.error.mean()) if errors.error.size else 0.0
        return np.full((1,) * reference.ndim, share)
    rounding = rounding_share(reference.dtype.name) * slice_size(errors.magnitude)
    return np.asarray(np.maximum(rounding, slice_size(errors.error, samples=_SLICE_SAMPLES)))


def noise_tolerance(floor: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Tolerance that follows from a floor. 8-bit integers get one floor: noise flips them by single steps."""
    return np.asarray(floor if dtype.kind in "iu" and dtype.itemsize == 1 else FLOORS_TOLERATED * floor)


def given_tolerance(reference: np.ndarray, rtol: float | None, atol: float | None) -> np.ndarray:
    """Tolerance that the user gave: atol + rtol * |reference|; one that is not given counts as 0."""
    if is_discrete(reference):
        return np.zeros((1,) * reference.ndim)
    magnitude = np.nan_to_num(np.abs(reference.astype(np.float64)), nan=0.0, posinf=0.0)
    return np.asarray((atol or 0.0) + (rtol or 0.0) * magnitude)

"""The metric: how far two arrays are apart. No threshold and no verdict in here.

Arrays are compared in float64. Integers of 32 bits and more, booleans and strings are discrete: their
elements are equal or not, and the error of an element is 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphmorph.proof.report import Metrics


@dataclass(frozen=True)
class Errors:
    """Elementwise comparison; all arrays have the outputs' shape.

    error: float64, absolute, 0 where not finite.  nonfinite_mismatch: bool.
    magnitude: |reference|, 0 where not finite.
    """

    error: np.ndarray
    nonfinite_mismatch: np.ndarray
    magnitude: np.ndarray


def is_discrete(array: np.ndarray) -> bool:
    """Whether elements are equal or not, with nothing in between: indices, flags, text."""
    return array.dtype.kind in "bOUS" or (array.dtype.kind in "iu" and array.dtype.itemsize > 1)


def is_text(array: np.ndarray) -> bool:
    """Whether the elements are strings."""
    return array.dtype.kind in "OUS"


def elementwise(reference: np.ndarray, candidate: np.ndarray) -> Errors:
    """Errors of two arrays of the same shape and dtype.

    NaN equals NaN, and infinities of the same sign are equal.
    """
    if is_discrete(reference):
        error = np.asarray(reference != candidate, dtype=np.float64)
        return Errors(error, np.zeros(error.shape, bool), np.zeros(error.shape))
    first, second = reference.astype(np.float64), candidate.astype(np.float64)
    finite = np.isfinite(first) & np.isfinite(second)
    if finite.all():
        return Errors(np.abs(first - second), np.zeros(first.shape, bool), np.abs(first))
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    first, second = np.where(finite, first, 0.0), np.where(finite, second, 0.0)
    return Errors(np.abs(first - second), ~finite & ~same, np.abs(first))


def excess_over(error: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """Errors in units of the tolerance, elementwise; a tolerance of 0 passes an error of 0 only."""
    with np.errstate(over="ignore"):
        return np.asarray(error / np.maximum(tolerance, np.finfo(np.float64).tiny))


def measure(
    reference: np.ndarray, candidate: np.ndarray, errors: Errors, tolerance: np.ndarray, scale: float
) -> Metrics:
    """All metrics of one output.

    Args:
        errors: from `elementwise`.
        tolerance: same shape, or broadcastable to it; only used to name the worst element.
        scale: elements below it say nothing about the relative error.
    """
    error, magnitude = errors.error, errors.magnitude
    if error.size == 0:
        return Metrics(0, 0.0, 0.0, 0.0, 1.0, None, 0, 0, 0, None, None, None)
    above = magnitude > scale
    worst = _worst(errors, tolerance)
    return Metrics(
        elements=error.size,
        max_abs=float(error.max()),
        max_rel=float((error[above] / magnitude[above]).max()) if above.any() else 0.0,
        rms=float(np.sqrt(np.mean(np.square(error)))),
        cosine=_cosine(reference, candidate),
        argmax_agreement=_argmax_agreement(reference, candidate),
        mismatches=int(np.count_nonzero(error)),
        nonfinite=_count_nonfinite(reference),
        nonfinite_mismatches=int(np.count_nonzero(errors.nonfinite_mismatch)),
        worst_index=tuple(int(i) for i in worst),
        worst_reference=_scalar(reference[worst]),
        worst_candidate=_scalar(candidate[worst]),
    )


def _count_nonfinite(array: np.ndarray) -> int:
    return 0 if is_discrete(array) else int(np.count_nonzero(~np.isfinite(array.astype(np.float64))))


def _worst(errors: Errors, tolerance: np.ndarray) -> tuple[Any, ...]:
    if errors.nonfinite_mismatch.any():
        return np.unravel_index(int(errors.nonfinite_mismatch.argmax()), errors.error.shape)
    return np.unravel_index(int(excess_over(errors.error, tolerance).argmax()), errors.error.shape)


def _cosine(reference: np.ndarray, candidate: np.ndarray) -> float:
    if is_text(reference):
        return float(np.mean(reference == candidate))
    first = np.nan_to_num(reference.astype(np.float64).ravel(), posinf=0.0, neginf=0.0)
    second = np.nan_to_num(candidate.astype(np.float64).ravel(), posinf=0.0, neginf=0.0)
    # Scaled first: the squares of large float64 values would overflow.
    peak = max(float(np.abs(first).max()), float(np.abs(second).max()))
    if peak == 0.0:
        return 1.0
    first, second = first / peak, second / peak
    norms = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / norms if norms else 0.0


def _argmax_agreement(reference: np.ndarray, candidate: np.ndarray) -> float | None:
    """Share of rows (last axis) whose largest element is at the same place; None where there are no rows."""
    if is_discrete(reference) or reference.ndim < 2 or reference.shape[-1] < 2:
        return None
    first, second = reference.astype(np.float64), candidate.astype(np.float64)
    return float(np.mean(first.argmax(axis=-1) == second.argmax(axis=-1)))


def _scalar(value: Any) -> float | str:
    return str(value) if isinstance(value, str | bytes) else float(value)

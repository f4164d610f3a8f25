"""The metric, apart from any threshold."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from graphmorph.proof.compare import elementwise, excess_over, measure
from graphmorph.proof.report import Metrics


def metrics(reference: np.ndarray, candidate: np.ndarray, scale: float = 0.0) -> Metrics:
    return measure(reference, candidate, elementwise(reference, candidate), np.ones((1,) * reference.ndim), scale)


def test_plain_numbers() -> None:
    found = metrics(np.array([[1.0, 2.0], [4.0, 3.0]], np.float32), np.array([[1.0, 2.5], [3.0, 5.0]], np.float32))
    assert found.max_abs == 2.0
    assert found.max_rel == pytest.approx(2 / 3)
    assert found.rms == pytest.approx(np.sqrt((0.25 + 1 + 4) / 4))
    assert found.argmax_agreement == 0.5
    assert (found.worst_index, found.worst_reference, found.worst_candidate) == ((1, 1), 3.0, 5.0)


def test_relative_error_ignores_what_is_below_the_noise() -> None:
    reference, candidate = np.array([1e-9, 1.0]), np.array([1e-3, 1.01])
    assert metrics(reference, candidate, scale=1e-6).max_rel == pytest.approx(0.01)


def test_nan_and_inf() -> None:
    reference = np.array([np.nan, np.inf, -np.inf, np.nan, np.inf, 1.0])
    candidate = np.array([np.nan, np.inf, np.inf, 1.0, np.nan, 1.0])
    found = metrics(reference, candidate)
    assert (found.nonfinite, found.nonfinite_mismatches, found.max_abs) == (5, 3, 0.0)
    assert found.worst_index == (2,)


@pytest.mark.parametrize("dtype", [np.int64, np.bool_, object])
def test_discrete_types(dtype: Any) -> None:
    reference = np.array([0, 1, 1, 0]).astype(dtype)
    candidate = np.array([0, 1, 0, 0]).astype(dtype)
    if dtype is object:
        reference, candidate = (np.array([f"w{v}" for v in a], dtype=object) for a in (reference, candidate))
    found = metrics(reference, candidate)
    assert (found.mismatches, found.max_abs) == (1, 1.0)


def test_small_integers_are_numbers() -> None:
    assert metrics(np.array([250], np.uint8), np.array([3], np.uint8)).max_abs == 247


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_float_types(dtype: Any) -> None:
    found = metrics(np.array([1, 2, 3]).astype(dtype), np.array([1, 2, 4]).astype(dtype))
    assert (found.max_abs, found.mismatches) == (1.0, 1)


def test_large_numbers_do_not_overflow() -> None:
    big = np.full(4, 1e308)
    assert metrics(big, big).cosine == pytest.approx(1.0)


def test_empty_and_scalar() -> None:
    assert metrics(np.zeros((0, 3)), np.zeros((0, 3))).elements == 0
    assert metrics(np.array(1.0), np.array(3.0)).max_abs == 2.0


def test_no_tolerance_passes_no_error() -> None:
    assert excess_over(np.array([0.0, 1e9]), np.zeros(1)).tolist() == [0.0, np.inf]

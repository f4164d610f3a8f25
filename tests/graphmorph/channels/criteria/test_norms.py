"""Norms of slices, in float64 whatever the weights are in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.channels.criteria import norms
from graphmorph.channels.criteria.norms import power_sums, unit_norms


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_sums_of_slices(shape: list[int], data: st.DataObject) -> None:
    weights = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    axis = data.draw(st.integers(0, len(shape) - 1))
    others = tuple(i for i in range(len(shape)) if i != axis)
    wide = weights.astype(np.float64)
    np.testing.assert_allclose(power_sums(weights, axis, 1), np.abs(wide).sum(axis=others), rtol=1e-14)
    np.testing.assert_allclose(power_sums(weights, axis, 2), (wide**2).sum(axis=others), rtol=1e-14)


def test_large_weights_are_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.random.default_rng(0).normal(size=(7, 5, 3))
    whole = power_sums(weights, 1, 2)
    monkeypatch.setattr(norms, "_BLOCK", 2 * 21)
    np.testing.assert_array_equal(power_sums(weights, 1, 2), whole)


def test_half_precision_does_not_overflow() -> None:
    assert power_sums(np.full((2, 3), 6e4, np.float16), 0, 2)[0] == pytest.approx(3 * float(np.float16(6e4)) ** 2)


def test_the_norm_of_a_unit_is_that_of_all_its_places() -> None:
    weights = np.random.default_rng(0).normal(size=(6, 4))
    positions = np.array([[0, 3], [1, 4], [2, 5]])
    squares = unit_norms(power_sums(weights, 0, 2), positions, 2)
    np.testing.assert_allclose(squares, [np.linalg.norm(weights[[i, i + 3]]) for i in range(3)])
    sums = unit_norms(power_sums(weights, 0, 1), positions, 1)
    np.testing.assert_allclose(sums, [np.abs(weights[[i, i + 3]]).sum() for i in range(3)])

"""Sums of distances between the filters of a layer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from graphmorph.channels.criteria import geometric_median
from graphmorph.channels.criteria.geometric_median import distance_sums


@pytest.mark.parametrize("axis", [0, 1])
def test_sums_of_distances(axis: int) -> None:
    weights = np.random.default_rng(0).normal(size=(9, 6, 3)).astype(np.float32)
    rows = np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1).astype(np.float64)
    np.testing.assert_allclose(distance_sums(weights, axis), cdist(rows, rows).sum(axis=1), rtol=1e-12)


def test_blocks_do_not_change_the_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.random.default_rng(1).normal(size=(11, 10))
    whole = distance_sums(weights, 0)
    monkeypatch.setattr(geometric_median, "_ROWS", 4)
    monkeypatch.setattr(geometric_median, "_COLUMNS", 3)
    np.testing.assert_allclose(distance_sums(weights, 0), whole, rtol=1e-12)


def test_the_filter_at_the_median_is_the_least_important() -> None:
    directions = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    filters = np.concatenate((directions, [[0.0, 0.0]])) + 100.0
    found = distance_sums(filters, 0)
    assert np.argmin(found) == 4
    assert found[4] == pytest.approx(4.0)


def test_a_filter_alone_has_no_distance() -> None:
    assert distance_sums(np.ones((1, 3)), 0).tolist() == [0.0]

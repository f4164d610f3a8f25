"""C is the minimum that equation 2 asks for."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from graphmorph.training.adapnet.self_expression import self_expression


@given(st.integers(2, 9), st.integers(1, 12), st.floats(0.1, 5.0), st.floats(0.1, 50.0), st.integers(0, 99))
def test_each_column_is_the_ridge_solution_without_the_point(
    points: int, size: int, lambda1: float, lambda2: float, seed: int
) -> None:
    features = np.random.default_rng(seed).normal(size=(points, size))
    found = self_expression(features, lambda1, lambda2)
    for j in range(points):
        others = np.delete(np.arange(points), j)
        # λ1 |c|² + λ2/2 |z - Z c|² as one least-squares problem over the other points.
        stacked = np.vstack([np.sqrt(lambda2 / 2) * features[others].T, np.sqrt(lambda1) * np.eye(points - 1)])
        wanted = np.concatenate([np.sqrt(lambda2 / 2) * features[j], np.zeros(points - 1)])
        direct = lsq_linear(stacked, wanted).x
        np.testing.assert_allclose(found[others, j], direct, atol=1e-8)
        assert found[j, j] == 0.0

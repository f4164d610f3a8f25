"""Kernel sparsity and entropy, against the formula written out."""

from __future__ import annotations

from math import log2, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.channels.criteria.kse import densities, indicator, kernel_entropy, kse


def _densities_by_hand(kernels: np.ndarray, neighbours: int) -> list[float]:
    found = []
    for i, one in enumerate(kernels):
        distances = sorted(float(np.linalg.norm(one - other)) for j, other in enumerate(kernels) if j != i)
        found.append(sum(distances[:neighbours]))
    return found


@given(st.integers(1, 12), st.integers(1, 3), st.integers(1, 6), st.integers(0, 1000))
def test_density_is_the_sum_of_distances_to_the_nearest(count: int, width: int, neighbours: int, seed: int) -> None:
    kernels = np.random.default_rng(seed).integers(-3, 4, size=(count, width)) / 2.0
    np.testing.assert_allclose(
        densities(kernels, neighbours), _densities_by_hand(kernels, neighbours), rtol=1e-12, atol=1e-12
    )


def test_equation_4() -> None:
    """Kernels at 0, 1 and 3 on a line, one neighbour: dm = 1, 1, 2, so e = 1.5 bits and v = sqrt(1 / 2.5)."""
    kernels = np.array([[0.0], [1.0], [3.0]])
    assert densities(kernels, 1).tolist() == [1.0, 1.0, 2.0]
    entropy = -(0.25 * log2(0.25) * 2 + 0.5 * log2(0.5))
    assert kernel_entropy(densities(kernels, 1)) == pytest.approx(entropy) == pytest.approx(1.5)
    assert kse(lambda unit: kernels, 1, 1, 1.0, "one")[0] == pytest.approx(sqrt(1 / 2.5))


def test_equal_kernels_tell_least() -> None:
    alike = kernel_entropy(densities(np.ones((8, 9)), 5))
    assert alike == 3.0
    some = np.random.default_rng(0).normal(size=(8, 9))
    assert kernel_entropy(densities(some, 5)) < alike
    assert kse(lambda unit: (np.ones((8, 9)), some)[unit], 2, 5, 1.0, "one").argmin() == 0


@given(st.floats(0, 10), st.floats(0, 10), st.floats(0.1, 3))
def test_less_entropy_and_more_weight_are_more_important(first: float, second: float, alpha: float) -> None:
    low, high = sorted((first, second))
    one = np.ones(1)
    assert indicator(one, one * low, alpha) >= indicator(one, one * high, alpha)
    assert indicator(one * low, one, alpha) <= indicator(one * high, one, alpha)


def test_sparsity_scales_both_over_the_channels() -> None:
    """Channel 0 has the largest sum and the least entropy: s = 1, e = 0, v = 1; channel 1 has s = 0."""
    spread = np.array([[0.0], [0.1], [50.0]])
    even = np.array([[0.0], [1.0], [2.0]])
    found = kse(lambda unit: (spread, even)[unit], 2, 1, 1.0, "l1")
    assert found.tolist() == [1.0, 0.0]

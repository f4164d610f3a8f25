"""Least squares on Gram matrices, against numpy's lstsq on the rows themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.errors import UsageError
from graphmorph.regression.least_squares import columns_of, repair, ridge

seeds = st.integers(0, 2**32 - 1)


def rows(seed: int, count: int, columns: int, rank: int) -> np.ndarray:
    """A (count, columns) of a rank, its columns of very different sizes."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, rank)) @ rng.standard_normal((rank, columns)) * 10.0 ** rng.integers(-3, 4)


@given(seeds, st.integers(1, 8), st.integers(1, 4))
def test_full_rank_is_lstsq(seed: int, columns: int, outputs: int) -> None:
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-4, 5, columns)
    a = rng.standard_normal((60, columns)) * scale
    o = rng.standard_normal((60, outputs))
    found = ridge(a.T @ a, a.T @ o)
    expected = np.linalg.lstsq(a / scale, o, rcond=None)[0] / scale[:, None]
    np.testing.assert_allclose(found * scale[:, None], expected * scale[:, None], atol=1e-10)


@given(seeds, st.integers(2, 8))
def test_rank_deficient_is_the_least_norm(seed: int, columns: int) -> None:
    a = rows(seed, 50, columns, columns - 1)
    o = np.random.default_rng(seed + 1).standard_normal((50, 3))
    expected = np.linalg.lstsq(a, o, rcond=1e-10)[0]
    np.testing.assert_allclose(ridge(a.T @ a, a.T @ o), expected, atol=1e-5 * (1 + np.abs(expected).max()))


@given(seeds, st.floats(1e-3, 1e3))
def test_ridge_is_the_augmented_problem(seed: int, penalty: float) -> None:
    a = rows(seed, 30, 5, 3)
    o = np.random.default_rng(seed + 1).standard_normal(30)
    augmented = np.vstack([a, np.sqrt(penalty) * np.eye(5)])
    expected = np.linalg.lstsq(augmented, np.concatenate([o, np.zeros(5)]), rcond=None)[0]
    found = ridge(a.T @ a, a.T @ o, penalty)
    assert found.shape == (5,)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7 * (1 + np.abs(expected).max()))


def test_columns_of_zeros_get_no_weight() -> None:
    a = np.random.default_rng(0).standard_normal((20, 3))
    a[:, 1] = 0
    found = ridge(a.T @ a, a.T @ a)
    np.testing.assert_allclose(found, np.diag([1.0, 0.0, 1.0]), atol=1e-12)
    assert ridge(np.zeros((2, 2)), np.zeros((2, 1))).tolist() == [[0.0], [0.0]]


def test_a_column_of_small_numbers_is_no_missing_one() -> None:
    a = np.random.default_rng(0).standard_normal((20, 3)) * np.array([1.0, 1e-9, 1e6])
    o = a @ np.array([1.0, 2e9, 3e-6])
    np.testing.assert_allclose(ridge(a.T @ a, a.T @ o), [1.0, 2e9, 3e-6], rtol=1e-8)


@pytest.mark.parametrize(
    ("gram", "cross", "penalty", "message"),
    [
        (np.eye(2), np.ones(3), 0.0, "do not fit"),
        (np.ones((2, 3)), np.ones(2), 0.0, "do not fit"),
        (np.eye(2), np.ones((2, 1, 1)), 0.0, "one or two axes"),
        (np.eye(2), np.ones(2), -1.0, "penalty of -1"),
        (np.eye(2) * np.nan, np.ones(2), 0.0, "not finite"),
        (-np.eye(2), np.ones(2), 0.0, "negative diagonal"),
    ],
)
def test_what_is_refused(gram: np.ndarray, cross: np.ndarray, penalty: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ridge(gram, cross, penalty)


@given(seeds, st.integers(2, 8), st.booleans())
def test_repair_is_the_regression_of_the_old_outputs(seed: int, columns: int, intercept: bool) -> None:
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((80, columns)) @ rng.standard_normal((columns, columns)) + rng.standard_normal(columns)
    weight = rng.standard_normal((3, columns))
    kept = rng.permutation(columns)[: rng.integers(1, columns + 1)]
    mean = a.mean(axis=0) if intercept else None
    found = repair(a.T @ a, kept, weight, mean=mean, count=len(a), shrinkage=0.0)

    outputs = a @ weight.T
    design = np.hstack([a[:, kept], np.ones((len(a), 1))]) if intercept else a[:, kept]
    expected = np.linalg.lstsq(design, outputs, rcond=None)[0]
    np.testing.assert_allclose(found.weight.T, expected[: len(kept)], atol=1e-6 * (1 + np.abs(expected).max()))
    bias = expected[len(kept)] if intercept else np.zeros(3)
    np.testing.assert_allclose(found.bias, bias, atol=1e-6 * (1 + np.abs(expected).max()))

    missed = ((outputs - design @ expected) ** 2).sum(axis=0)
    reference = outputs - outputs.mean(axis=0) if intercept else outputs
    np.testing.assert_allclose(found.explained, 1 - missed / (reference**2).sum(axis=0), atol=1e-6)


def test_a_sum_of_kept_columns_is_replaced_exactly() -> None:
    rng = np.random.default_rng(1)
    a = rng.standard_normal((50, 3))
    a = np.hstack([a, a[:, :1] + 2 * a[:, 1:2]])
    weight = rng.standard_normal((2, 4))
    found = repair(a.T @ a, [0, 1, 2], weight)
    np.testing.assert_allclose(found.weight, weight[:, :3] + np.outer(weight[:, 3], [1, 2, 0]), atol=1e-4)
    assert found.explained.min() > 1 - 1e-10


def test_a_constant_column_moves_into_the_bias() -> None:
    rng = np.random.default_rng(2)
    a = np.hstack([rng.standard_normal((50, 2)), np.full((50, 2), [3.0, 0.1])])
    weight = rng.standard_normal((2, 4))
    found = repair(a.T @ a, [0, 1, 3], weight, mean=a.mean(axis=0), count=50, shrinkage=0.0)
    np.testing.assert_allclose(found.weight, weight[:, [0, 1, 3]], atol=1e-12)
    np.testing.assert_allclose(found.bias, 3.0 * weight[:, 2], atol=1e-12)
    np.testing.assert_allclose(found.explained, 1.0)


def test_what_does_not_correlate_changes_nothing() -> None:
    weight = np.array([[1.0, 2.0, 3.0]])
    found = repair(np.eye(3), [2, 0], weight)
    assert found.weight.tolist() == [[3.0, 1.0]]
    np.testing.assert_allclose(found.explained, 1 - 4 / 14)
    assert repair(np.eye(3), [], weight).weight.shape == (1, 0)


def test_near_duplicates_do_not_blow_weights_up() -> None:
    """Two kept columns that differ by float32 noise: the noise must not be fitted."""
    rng = np.random.default_rng(3)
    a = rng.standard_normal((400, 3))
    a[:, 1] = a[:, 0] + 1e-7 * rng.standard_normal(400)
    found = repair(a.T @ a, [0, 1], np.ones((1, 3)))
    assert np.abs(found.weight).max() < 2


def test_columns_of_channels() -> None:
    assert columns_of([2, 0], 3).tolist() == [6, 7, 8, 0, 1, 2]


@pytest.mark.parametrize(
    ("kept", "message"), [([0, 0], "distinct"), ([3], "there are 3"), ([-1], "there are 3"), ([[0]], "distinct")]
)
def test_indices_that_do_not_fit(kept: list[int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        repair(np.eye(3), kept, np.ones((1, 3)))
    with pytest.raises(UsageError, match="Gram matrix of its columns"):
        repair(np.eye(3), [0], np.ones((1, 4)))

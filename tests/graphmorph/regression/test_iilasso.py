"""iiLasso against scikit-learn (alpha 0), against the loss on the rows, and against plain reasoning."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Lasso

from graphmorph.errors import UsageError
from graphmorph.regression.iilasso import Problem, loss, similarity, solve

seeds = st.integers(0, 2**32 - 1)


def data(seed: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Correlated columns (100, n) of different lengths, and a target (100,)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((100, columns)) @ (np.eye(columns) + 0.5 * rng.standard_normal((columns, columns)))
    return x, x @ rng.standard_normal(columns) + rng.standard_normal(100)


def problem(x: np.ndarray, y: np.ndarray, alpha: float) -> Problem:
    return Problem(x.T @ x / len(x), x.T @ y / len(x), alpha)


def loss_on_rows(x: np.ndarray, y: np.ndarray, b: np.ndarray, penalty: float, alpha: float) -> float:
    """Equation 6, written out."""
    lengths = np.linalg.norm(x, axis=0)
    r = np.abs(x.T @ x) / np.outer(lengths, lengths)
    np.fill_diagonal(r, 0)
    similar = sum(r[i, j] / (1 - r[i, j]) * abs(b[i] * b[j]) for i in range(len(b)) for j in range(len(b)))
    fit = ((y - x @ b) ** 2).sum() / (2 * len(x))
    return float(fit + penalty * (np.abs(b).sum() + alpha / 2 * similar))


@given(seeds, st.integers(1, 12), st.floats(1e-3, 0.99))
def test_alpha_zero_is_the_lasso(seed: int, columns: int, share: float) -> None:
    x, y = data(seed, columns)
    one = problem(x, y, 0.0)
    penalty = share * one.largest_penalty
    expected = Lasso(alpha=penalty, fit_intercept=False, tol=1e-10, max_iter=100_000).fit(x, y).coef_
    found = solve(one, penalty, tolerance=1e-10)
    assert found.converged
    np.testing.assert_allclose(found.coefficients, expected, atol=1e-6)


@given(seeds, st.integers(2, 8), st.floats(0.01, 1), st.floats(0, 5))
def test_loss_is_that_of_equation_6(seed: int, columns: int, penalty: float, alpha: float) -> None:
    x, y = data(seed, columns)
    b = np.random.default_rng(seed + 1).standard_normal(columns)
    expected = loss_on_rows(x, y, b, penalty, alpha) - (y @ y) / (2 * len(x))
    assert loss(problem(x, y, alpha), b, penalty) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(seeds, st.integers(2, 8), st.floats(0.01, 1), st.floats(0, 5))
def test_a_minimum_in_every_coordinate(seed: int, columns: int, share: float, alpha: float) -> None:
    x, y = data(seed, columns)
    one = problem(x, y, alpha)
    penalty = share * one.largest_penalty
    found = solve(one, penalty, tolerance=1e-10)
    scale = 1 + abs(found.loss)
    for j in range(columns):
        for step in (-0.1, -1e-3, 1e-3, 0.1, -found.coefficients[j]):
            moved = found.coefficients.copy()
            moved[j] += step
            assert loss(one, moved, penalty) >= found.loss - 1e-9 * scale


@given(seeds, st.integers(2, 8), st.floats(0.01, 0.9), st.floats(0, 5))
def test_the_loss_never_rises(seed: int, columns: int, share: float, alpha: float) -> None:
    x, y = data(seed, columns)
    one = problem(x, y, alpha)
    penalty = share * one.largest_penalty
    start = np.random.default_rng(seed + 1).standard_normal(columns)
    losses = [loss(one, start, penalty)]
    losses += [solve(one, penalty, start=start, max_sweeps=n).loss for n in range(1, 15)]
    assert all(later <= earlier + 1e-12 * (1 + abs(earlier)) for earlier, later in pairwise(losses))


def test_similarity_is_equation_7() -> None:
    x = np.array([[1.0, 1.0, 0.0, 2.0], [0.0, 1.0, 0.0, 0.0]])
    r = 1 / np.sqrt(2)
    near = r / (1 - r)
    expected = [[0, near, 0, np.inf], [near, 0, 0, near], [0, 0, 0, 0], [np.inf, near, 0, 0]]
    np.testing.assert_allclose(similarity(x.T @ x), expected)


def test_of_alike_columns_one_is_taken() -> None:
    x, y = data(0, 3)
    x = np.hstack([x, -3 * x])
    found = solve(problem(x, y, 0.1), 1e-3)
    used = found.coefficients != 0
    assert np.isfinite(found.loss)
    assert (used[:3] ^ used[3:]).all()
    assert np.isinf(loss(problem(x, y, 0.1), np.ones(6), 1e-3))


@pytest.mark.parametrize(("start", "kept"), [(np.ones(6), [3, 4, 5]), (np.array([5, 5, 5, 1, 1, 1]), [0, 1, 2])])
def test_of_a_start_that_excludes_itself_the_longest_stay(start: np.ndarray, kept: list[int]) -> None:
    x, y = data(0, 3)
    x = np.hstack([x, 2 * x])
    assert solve(problem(x, y, 0.1), 1e-3, start=start).support.tolist() == kept


def test_similar_columns_are_penalised() -> None:
    """Two columns that are nearly alike, and one of its own: with alpha one of the two goes."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 3))
    x[:, 1] = x[:, 0] + 0.05 * x[:, 1]
    y = x.sum(axis=1)
    assert solve(problem(x, y, 0.0), 0.005).support.tolist() == [0, 1, 2]
    assert len(solve(problem(x, y, 1.0), 0.005).support) == 2


def test_nothing_at_the_largest_penalty_and_dead_columns_never() -> None:
    x, y = data(1, 4)
    x[:, 2] = 0
    one = problem(x, y, 0.5)
    assert solve(one, one.largest_penalty).support.size == 0
    found = solve(one, 0.0, start=np.ones(4))
    assert found.support.tolist() == [0, 1, 3]
    assert not solve(one, 1e-6, max_sweeps=1).converged


def test_given_similarity_replaces_that_of_the_columns() -> None:
    x, y = data(2, 3)
    apart = Problem(x.T @ x, x.T @ y, 1.0, given_similarity=np.where(np.eye(3) > 0, 0.0, np.inf))
    assert solve(apart, 1e-3).support.size == 1


@pytest.mark.parametrize(
    ("gram", "linear", "alpha", "message"),
    [
        (np.eye(2), np.ones(3), 0.0, "do not fit"),
        (np.eye(2), np.ones(2), -1.0, "alpha is -1"),
        (np.eye(2), np.array([1.0, np.inf]), 0.0, "not finite"),
    ],
)
def test_what_is_refused(gram: np.ndarray, linear: np.ndarray, alpha: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Problem(gram, linear, alpha)


def test_arguments_that_do_not_fit() -> None:
    one = Problem(np.eye(2), np.ones(2), 0.0)
    with pytest.raises(UsageError, match="a penalty of -1"):
        solve(one, -1.0)
    with pytest.raises(UsageError, match="2 coefficients"):
        solve(one, 1.0, start=np.ones(3))

"""CompNet's algorithms 1 and 2 on explicit columns: equation 1, counts, and where algorithm 2 comes to rest."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from graphmorph.activations.moments import Moments
from graphmorph.layer_insertion.compact_inputs import faded, faded_to, minimised, minimised_to, standardised
from graphmorph.regression.iilasso import Problem, loss, solve
from graphmorph.regression.selection import Selection

seeds = st.integers(0, 2**32 - 1)
channel_counts = st.integers(2, 6)


def read(seed: int, columns: int = 6) -> np.ndarray:
    """(200, columns) of what a layer reads: correlated, and not centred."""
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((200, columns)) @ rng.standard_normal((columns, columns))
    return mixed + rng.standard_normal(columns)


def covariance_of(rows: np.ndarray) -> np.ndarray:
    sums = Moments(rows.shape[1])
    sums.update(rows)
    return sums.covariance


def problem(seed: int, channels: int, alpha: float) -> Problem:
    weight = np.random.default_rng(seed + 1).standard_normal((channels, 6))
    return standardised(weight, covariance_of(read(seed)), alpha)


def standard_columns(rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Step 3 on explicit columns."""
    made = rows @ weight.reshape(len(weight), -1).T
    made = made - made.mean(axis=0)
    return np.asarray(made / np.sqrt((made**2).mean(axis=0)))


def equation_1(x: np.ndarray, beta: np.ndarray, penalty: float, alpha: float) -> float:
    """Written out, O being X."""
    count, channels = x.shape
    r = np.abs(x.T @ x) / count
    similar = sum(
        r[j, k] / (1 - r[j, k]) * abs(beta[j] * beta[k]) for j in range(channels) for k in range(channels) if j != k
    )
    apart = sum(float(np.sum((x[:, i] - beta[i] * x[:, i]) ** 2)) for i in range(channels))
    return float(apart / (2 * count) + penalty * (np.abs(beta).sum() + alpha / 2 * similar))


@given(seeds, channel_counts, st.floats(0, 1), st.floats(0, 5))
def test_the_loss_is_that_of_equation_1(seed: int, channels: int, penalty: float, alpha: float) -> None:
    rng = np.random.default_rng(seed + 1)
    rows, weight = read(seed), rng.standard_normal((channels, 6))
    beta = rng.uniform(-1, 2, channels)
    found = loss(standardised(weight, covariance_of(rows), alpha), beta, penalty) + channels / 2
    assert found == pytest.approx(equation_1(standard_columns(rows, weight), beta, penalty, alpha), rel=1e-7)


def test_a_kernel_is_a_row_of_taps() -> None:
    weight = np.random.default_rng(0).standard_normal((4, 2, 3))
    covariance = covariance_of(read(3))
    whole, flat = standardised(weight, covariance, 0.1), standardised(weight.reshape(4, 6), covariance, 0.1)
    assert np.array_equal(whole.finite, flat.finite)


@given(seeds, channel_counts, st.floats(0.01, 0.9), st.floats(0, 3))
def test_coefficients_are_shares_and_the_loss_never_rises(
    seed: int, channels: int, penalty: float, alpha: float
) -> None:
    one = problem(seed, channels, alpha)
    found = minimised(one, penalty)
    assert (found.factors >= 0).all()
    assert (found.factors <= 1).all()
    assert found.kept.tolist() == np.flatnonzero(found.factors).tolist()
    ones = np.ones(channels)
    losses = [loss(one, ones, penalty)]
    losses += [solve(one, penalty, start=ones, max_sweeps=n).loss for n in range(1, 12)]
    assert all(after <= before + 1e-12 for before, after in pairwise(losses))
    assert loss(one, found.factors, penalty) <= losses[-1] + 1e-12


@pytest.mark.parametrize("seed", range(6))
def test_a_convex_problem_is_solved_as_scipy_solves_it(seed: int) -> None:
    """With little likeness the loss is convex, and its minimum one."""
    one = problem(seed, 4, 0.02)
    assert np.linalg.eigvalsh(np.eye(4) + 0.2 * one.finite).min() > 0
    found = minimised(one, 0.2)
    expected = minimize(lambda beta: loss(one, beta, 0.2), np.full(4, 0.5), bounds=[(0, None)] * 4, tol=1e-12).x
    np.testing.assert_allclose(found.factors, expected, atol=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_no_better_point_lies_nearby(seed: int) -> None:
    """Where the loss is not convex, what is found is a minimum along every axis, on a fine grid."""
    one = problem(seed, 3, 4.0)
    found = minimised(one, 0.3).factors
    reached = loss(one, found, 0.3)
    for j in range(3):
        for value in np.linspace(0, 1, 501):
            moved = found.copy()
            moved[j] = value
            assert loss(one, moved, 0.3) >= reached - 1e-9


@settings(max_examples=12)
@given(seeds, channel_counts, st.data())
def test_both_algorithms_keep_as_many_as_are_wanted(seed: int, channels: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, channels))
    one = problem(seed, channels, 0.1)
    for found in (minimised_to(one, count, 0.1), faded_to(one, count)):
        assert found.kept.size == count
        assert np.array_equal(found.kept, np.unique(found.kept))
        assert (found.factors[found.kept] > 0).all()


@settings(max_examples=12)
@given(seeds, channel_counts, st.floats(0.001, 0.24), st.floats(0, 0.5))
def test_where_algorithm_2_comes_to_rest(seed: int, channels: int, penalty: float, alpha: float) -> None:
    one = problem(seed, channels, alpha)
    found = faded(one, penalty)
    likeness = 1 + one.finite[np.ix_(found.kept, found.kept)].sum(axis=1)
    room = 1 - 4 * penalty * likeness
    assert (room > -1e-2).all()
    clear = room > 1e-3  # nearer to it, rounds move too little to tell
    np.testing.assert_allclose(found.factors[found.kept][clear], (1 + np.sqrt(room[clear])) / 2, atol=1e-5)


@pytest.mark.parametrize(("penalty", "left"), [(0.2, 4), (0.26, 0)])
def test_channels_that_are_not_alike_fade_at_a_quarter(penalty: float, left: int) -> None:
    found = faded(standardised(np.eye(4), np.eye(4), 0.1), penalty)
    assert found.kept.size == left
    assert found.factors == pytest.approx((1 + np.sqrt(0.2)) / 2 if left else 0.0)


def _faded_to(one: Problem, count: int) -> Selection:
    return faded_to(one, count)


def _minimised_to(one: Problem, count: int) -> Selection:
    return minimised_to(one, count, 0.1)


@pytest.mark.parametrize("find", [partial(minimised, penalty=0.1), partial(faded, penalty=0.1)])
@pytest.mark.parametrize("scale", [1.0, -3.0])
def test_of_two_that_are_one_column_one_goes(find: Callable[[Problem], Selection], scale: float) -> None:
    weight = np.random.default_rng(0).standard_normal((4, 6))
    weight[3] = scale * weight[1]
    kept = find(standardised(weight, np.eye(6), 1e-6)).kept.tolist()
    assert kept in ([0, 1, 2], [0, 2, 3])


@pytest.mark.parametrize("find", [_minimised_to, _faded_to])
def test_a_wanted_count_drops_copies_first(find: Callable[[Problem, int], Selection]) -> None:
    weight = np.random.default_rng(0).standard_normal((6, 6))
    weight[3:] = 2 * weight[:3]
    kept = find(standardised(weight, np.eye(6), 1e-3), 3).kept
    assert sorted(kept % 3) == [0, 1, 2]


@pytest.mark.parametrize("find", [_minimised_to, _faded_to])
def test_the_most_alike_goes_first(find: Callable[[Problem, int], Selection]) -> None:
    weight = np.eye(5)
    weight[4] = [0.7, 0.7, 0.7, 0.7, 0.1]
    assert find(standardised(weight, np.eye(5), 0.1), 4).kept.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("find", [_minimised_to, _faded_to])
def test_what_never_varies_goes(find: Callable[[Problem, int], Selection]) -> None:
    rows = read(0)
    rows[:, 0] = 3.0
    weight = np.random.default_rng(0).standard_normal((4, 6))
    weight[2] = 0.0
    weight[3] = [5.0, 0, 0, 0, 0, 0]
    covariance = covariance_of(rows)
    assert find(standardised(weight, covariance, 0.1), 4).kept.tolist() == [0, 1]
    assert find(standardised(weight, covariance, 0.1), 1).kept.size == 1


@pytest.mark.parametrize("find", [_minimised_to, _faded_to])
def test_nothing_that_varies(find: Callable[[Problem, int], Selection]) -> None:
    assert find(standardised(np.ones((3, 2)), np.zeros((2, 2)), 0.1), 2).kept.size == 0


def test_survivors_of_algorithm_1_depend_on_the_product_of_both_penalties() -> None:
    """The reading of step 5: the coefficients shrink with 1 - lambda all together."""
    one = problem(11, 9, 0.1)
    thin = minimised(Problem(one.gram, one.linear, 2.0, one.given_similarity), 0.1).factors
    thick = minimised(Problem(one.gram, one.linear, 0.5, one.given_similarity), 0.4).factors
    np.testing.assert_allclose(thin / 0.9, thick / 0.6, atol=1e-6)

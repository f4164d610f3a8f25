"""CompNet's algorithm 3: equations 3, 4 and 9 with every T_i built, against the form on Gram matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.activations.moments import CrossMoments
from graphmorph.layer_insertion.compact_outputs import of_one_length, standardised, survivors
from graphmorph.layer_insertion.outgoing_weights import Sums, fitted, sums_of
from graphmorph.regression.iilasso import loss, solve
from graphmorph.regression.selection import inner_products, select_from

seeds = st.integers(0, 2**32 - 1)
ROWS, OUTPUTS = 150, 3


def rows_of(seed: int, channels: int, taps: int) -> tuple[np.ndarray, np.ndarray]:
    """A (ROWS, channels * taps), relus of a mixture, and O (ROWS, OUTPUTS) that they nearly make."""
    rng = np.random.default_rng(seed)
    read = rng.standard_normal((ROWS, 5))
    a = np.maximum(read @ rng.standard_normal((5, channels * taps)), 0)
    return a, np.tanh(read @ rng.standard_normal((5, OUTPUTS))) + rng.standard_normal(OUTPUTS)


def sums(a: np.ndarray, o: np.ndarray, intercept: bool = True) -> Sums:
    pairs = CrossMoments(a.shape[1], o.shape[1])
    pairs.update(a, o)
    return sums_of(pairs, intercept=intercept)


def contributions(a: np.ndarray, o: np.ndarray, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """[vec(T_1), ..., vec(T_n)] (ROWS * OUTPUTS, channels) and vec(O), about their means: equation 4."""
    weight = fitted(sums(a, o), 1e-6).weight
    centred = a - a.mean(axis=0)
    taps = a.shape[1] // channels
    parts = [slice(taps * i, taps * i + taps) for i in range(channels)]
    columns = [(centred[:, part] @ weight[part]).reshape(-1) for part in parts]
    return np.stack(columns, axis=1), (o - o.mean(axis=0)).reshape(-1)


def equation_3(t: np.ndarray, o: np.ndarray, beta: np.ndarray, penalty: float, alpha: float) -> float:
    """Over rows, with the likeness of the vec(T_i); t and o as `contributions` gives them, of any length."""
    lengths = np.linalg.norm(t, axis=0)
    r = np.abs(t.T @ t) / np.outer(lengths, lengths)
    np.fill_diagonal(r, 0)
    size = np.abs(beta)
    fit = np.sum((o - t @ beta) ** 2) / (2 * len(o))
    return float(fit + penalty * (size.sum() + alpha / 2 * size @ (r / (1 - r)) @ size))


@given(seeds, st.integers(2, 5), st.integers(1, 3), st.floats(0, 1), st.floats(0, 5))
def test_the_gram_form_is_the_direct_form(seed: int, channels: int, taps: int, penalty: float, alpha: float) -> None:
    a, o = rows_of(seed, channels, taps)
    captured, (t, y) = sums(a, o), contributions(a, o, channels)
    owner = np.repeat(np.arange(channels), taps)
    inner, linear = inner_products(captured.gram, captured.cross, fitted(captured, 1e-6).weight, channels=owner)
    np.testing.assert_allclose(inner, t.T @ t / ROWS, rtol=0, atol=1e-9 * np.abs(inner).max())
    np.testing.assert_allclose(linear, t.T @ y / ROWS, rtol=0, atol=1e-9 * np.abs(linear).max())
    unit_t, unit_y = t / np.sqrt((t**2).mean(axis=0)), y / np.sqrt((y**2).mean())
    one = standardised(inner, linear, float(captured.energy.sum()), alpha)
    beta = np.random.default_rng(seed).uniform(0, 1, channels)
    direct = equation_3(unit_t, unit_y, beta, penalty, alpha)
    assert loss(one, beta, penalty) + 0.5 == pytest.approx(direct, rel=1e-9, abs=1e-9)


@given(seeds, st.integers(2, 6), st.floats(0.01, 0.5), st.floats(0, 2))
def test_one_coordinate_after_another_is_equation_9(seed: int, channels: int, penalty: float, alpha: float) -> None:
    a, o = rows_of(seed, channels, 1)
    captured, (t, y) = sums(a, o), contributions(a, o, channels)
    t, y = t / np.sqrt((t**2).mean(axis=0)), y / np.sqrt((y**2).mean())
    r = np.abs(t.T @ t) / len(t)
    np.fill_diagonal(r, 0)
    beta = np.ones(channels)
    for j in range(channels):
        others = y - t @ beta + beta[j] * t[:, j]
        pull = others @ t[:, j] / len(t)
        limit = penalty * (1 + alpha * (r / (1 - r))[j] @ np.abs(beta))
        beta[j] = np.sign(pull) * max(abs(pull) - limit, 0.0)
    owner = np.arange(channels)
    inner, linear = inner_products(captured.gram, captured.cross, fitted(captured, 1e-6).weight, channels=owner)
    one = standardised(inner, linear, float(captured.energy.sum()), alpha)
    found = solve(one, penalty, start=np.ones(channels), max_sweeps=1)
    np.testing.assert_allclose(found.coefficients, beta, atol=1e-8)


@given(seeds, st.integers(2, 6), st.integers(1, 3), st.data())
def test_a_wanted_count_is_met(seed: int, channels: int, taps: int, data: st.DataObject) -> None:
    a, o = rows_of(seed, channels, taps)
    count = data.draw(st.integers(1, channels))
    found = select_from(of_one_length(sums(a, o), channels, 1e-6, 0.1), count)
    assert found.kept.size == np.unique(found.kept).size == count


@given(seeds, st.integers(2, 6), st.floats(0.01, 0.3), st.floats(0, 2))
def test_survivors_are_those_of_the_standardised_problem(
    seed: int, channels: int, penalty: float, alpha: float
) -> None:
    a, o = rows_of(seed, channels, 1)
    found = survivors(sums(a, o), channels, 1e-6, alpha, penalty)
    t, y = contributions(a, o, channels)
    t, y = t / np.sqrt((t**2).mean(axis=0)), y / np.sqrt((y**2).mean())
    reached = equation_3(t, y, found.factors, penalty, alpha)
    for j in range(channels):
        for value in (0.0, 0.9 * found.factors[j], 1.1 * found.factors[j], found.factors[j] + 0.05):
            moved = found.factors.copy()
            moved[j] = value
            assert equation_3(t, y, moved, penalty, alpha) >= reached - 1e-7
    assert found.kept.tolist() == np.flatnonzero(found.factors).tolist()
    assert found.penalty == penalty


def test_the_mean_of_the_outputs_is_not_a_contribution() -> None:
    a, o = rows_of(0, 6, 1)
    near, far = (survivors(sums(a, o + shift), 6, 1e-6, 0.1, 0.05) for shift in (0.0, 100.0))
    np.testing.assert_allclose(near.factors, far.factors, atol=1e-6)


def test_a_channel_that_is_not_needed_goes() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((ROWS, 4))
    o = a[:, [0, 2]] @ rng.standard_normal((2, OUTPUTS))
    assert survivors(sums(a, o), 4, 1e-9, 0.1, 0.01).kept.tolist() == [0, 2]
    assert select_from(of_one_length(sums(a, o), 4, 1e-9, 0.1), 2).kept.tolist() == [0, 2]


def test_dead_channels_and_silent_outputs_do_no_harm() -> None:
    a, o = rows_of(0, 4, 1)
    a[:, 1] = 0
    found = survivors(sums(a, o), 4, 1e-6, 0.1, 0.01)
    assert 1 not in found.kept
    assert found.kept.size > 0
    silent = survivors(sums(a, np.zeros_like(o)), 4, 1e-6, 0.1, 0.01)
    assert silent.kept.size == 0
    assert select_from(of_one_length(sums(a, np.zeros_like(o)), 4, 1e-6, 0.1), 2).kept.size == 2

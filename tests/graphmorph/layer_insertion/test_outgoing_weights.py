"""The next layer's weights against numpy's least squares on the rows themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.activations.moments import CrossMoments
from graphmorph.layer_insertion.outgoing_weights import explained_by, fitted, sums_of

seeds = st.integers(0, 2**32 - 1)
ROWS, COLUMNS, OUTPUTS = 80, 6, 3


def rows_of(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A (ROWS, COLUMNS), correlated and off centre; O (ROWS, OUTPUTS) that A explains in part."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((ROWS, COLUMNS)) @ rng.standard_normal((COLUMNS, COLUMNS)) + rng.standard_normal(COLUMNS)
    return a, a @ rng.standard_normal((COLUMNS, OUTPUTS)) + rng.standard_normal((ROWS, OUTPUTS)) + 2


def captured(a: np.ndarray, o: np.ndarray) -> CrossMoments:
    """In three batches."""
    pairs = CrossMoments(a.shape[1], o.shape[1])
    for part in np.array_split(np.arange(len(a)), 3):
        pairs.update(a[part], o[part])
    return pairs


def share(o: np.ndarray, found: np.ndarray, about: np.ndarray | float) -> np.ndarray:
    return np.asarray(1 - ((o - found) ** 2).sum(axis=0) / ((o - about) ** 2).sum(axis=0))


@given(seeds)
def test_with_an_intercept_it_is_numpys_least_squares(seed: int) -> None:
    a, o = rows_of(seed)
    fit = fitted(sums_of(captured(a, o), intercept=True), 0.0)
    expected = np.linalg.lstsq(np.column_stack([a, np.ones(ROWS)]), o, rcond=None)[0]
    given = a @ expected[:-1] + expected[-1]
    np.testing.assert_allclose(a @ fit.weight + fit.bias, given, atol=1e-5 * np.abs(given).max())
    np.testing.assert_allclose(fit.explained, share(o, given, o.mean(axis=0)), atol=1e-7)


@given(seeds)
def test_without_one_it_is_equation_11(seed: int) -> None:
    a, o = rows_of(seed)
    fit = fitted(sums_of(captured(a, o), intercept=False), 0.0)
    given = a @ np.linalg.lstsq(a, o, rcond=None)[0]
    np.testing.assert_allclose(a @ fit.weight, given, atol=1e-5 * np.abs(given).max())
    assert not fit.bias.any()
    np.testing.assert_allclose(fit.explained, share(o, given, 0.0), atol=1e-7)


@given(seeds, st.floats(1e-6, 10))
def test_ridge_is_in_units_of_the_mean_square_column(seed: int, penalty: float) -> None:
    a, o = rows_of(seed)
    fit = fitted(sums_of(captured(a, o), intercept=True), penalty)
    inner, wanted = a - a.mean(axis=0), o - o.mean(axis=0)
    unit = np.mean(inner**2)
    expected = np.linalg.solve(inner.T @ inner / ROWS + penalty * unit * np.eye(COLUMNS), inner.T @ wanted / ROWS)
    np.testing.assert_allclose(fit.weight, expected, rtol=1e-4, atol=1e-7 * np.abs(expected).max())
    np.testing.assert_allclose(fit.explained, share(o, a @ fit.weight + fit.bias, o.mean(axis=0)), atol=1e-7)


@given(seeds, st.lists(st.integers(0, COLUMNS - 1), min_size=1, unique=True))
def test_some_of_the_columns(seed: int, columns: list[int]) -> None:
    a, o = rows_of(seed)
    some = fitted(sums_of(captured(a, o), intercept=True), 1e-6, np.array(columns))
    alone = fitted(sums_of(captured(a[:, columns], o), intercept=True), 1e-6)
    np.testing.assert_allclose(some.weight, alone.weight, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(some.bias, alone.bias, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(some.explained, alone.explained, atol=1e-9)


@pytest.mark.parametrize("with_bias", [True, False])
@given(seed=seeds)
def test_what_any_weight_explains(seed: int, with_bias: bool) -> None:
    a, o = rows_of(seed)
    rng = np.random.default_rng(seed)
    weight, bias = rng.standard_normal((COLUMNS, OUTPUTS)), rng.standard_normal(OUTPUTS) if with_bias else None
    found = explained_by(captured(a, o), weight, bias)
    expected = share(o, a @ weight + (0 if bias is None else bias), o.mean(axis=0))
    np.testing.assert_allclose(found, np.minimum(expected, 1), rtol=1e-7, atol=1e-7)


def test_a_fit_explains_what_explained_by_says() -> None:
    pairs = captured(*rows_of(0))
    fit = fitted(sums_of(pairs, intercept=True), 1e-3)
    np.testing.assert_allclose(explained_by(pairs, fit.weight, fit.bias), fit.explained, atol=1e-10)


def test_outputs_in_the_span_are_explained_wholly_and_constant_ones_too() -> None:
    a, o = rows_of(0)
    o = np.column_stack([a @ np.ones(COLUMNS) + 3, np.full(ROWS, 7.0)])
    fit = fitted(sums_of(captured(a, o), intercept=True), 0.0)
    np.testing.assert_allclose(fit.explained, 1, atol=1e-12)
    np.testing.assert_allclose(a @ fit.weight + fit.bias, o, atol=1e-6)


def test_columns_that_are_copies_are_fitted_all_the_same() -> None:
    a, o = rows_of(0)
    twice = np.column_stack([a, a[:, :2]])
    once = fitted(sums_of(captured(a, o), intercept=True), 0.0)
    fit = fitted(sums_of(captured(twice, o), intercept=True), 0.0)
    np.testing.assert_allclose(fit.explained, once.explained, atol=1e-9)
    np.testing.assert_allclose(twice @ fit.weight, a @ once.weight, atol=1e-6)

"""Running sums against numpy on all rows at once."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.activations.moments import CrossMoments, Moments
from graphmorph.errors import UsageError

seeds = st.integers(0, 2**32 - 1)


def parts(seed: int, columns: int, count: int) -> list[np.ndarray]:
    """Batches of several sizes, one of them perhaps empty, with some exact zeros."""
    rng = np.random.default_rng(seed)
    return [
        np.maximum(rng.standard_normal((int(rng.integers(0, 9)), columns)), -0.5) * rng.integers(0, 2, columns)
        for _ in range(count)
    ] + [rng.standard_normal((3, columns))]


@given(seeds, st.integers(1, 5), st.integers(0, 4))
def test_sums_are_those_of_all_rows(seed: int, columns: int, count: int) -> None:
    batches = parts(seed, columns, count)
    moments = Moments(columns)
    for batch in batches:
        moments.update(batch)
    a = np.concatenate(batches)
    assert moments.count == len(a)
    np.testing.assert_allclose(moments.gram, a.T @ a, atol=1e-12)
    np.testing.assert_allclose(moments.mean, a.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(moments.variance, a.var(axis=0), atol=1e-12)
    np.testing.assert_allclose(
        moments.covariance, np.cov(a, rowvar=False, ddof=0).reshape(columns, columns), atol=1e-12
    )
    np.testing.assert_allclose(moments.absolute, np.abs(a).sum(axis=0), atol=1e-12)
    assert moments.share_of_zeros.tolist() == (a == 0).mean(axis=0).tolist()
    assert moments.minimum.tolist() == a.min(axis=0).tolist()
    assert moments.maximum.tolist() == a.max(axis=0).tolist()


@given(seeds, st.integers(1, 4), st.integers(1, 3), st.integers(0, 4))
def test_workers_add_up(seed: int, columns: int, outputs: int, split: int) -> None:
    batches = list(zip(parts(seed, columns, 4), parts(seed + 1, outputs, 4), strict=True))
    pairs = [(a[: len(o)], o[: len(a)]) for a, o in batches]
    whole, first, second = (CrossMoments(columns, outputs) for _ in range(3))
    for index, pair in enumerate(pairs):
        whole.update(*pair)
        (first if index < split else second).update(*pair)
    first.merge(second)
    a, o = (np.concatenate(side) for side in zip(*pairs, strict=True))
    np.testing.assert_allclose(whole.cross, a.T @ o, atol=1e-12)
    centred = (a - a.mean(axis=0)).T @ (o - o.mean(axis=0)) / len(a)
    np.testing.assert_allclose(whole.covariance, centred, atol=1e-12)
    for name, array in whole.arrays().items():
        np.testing.assert_allclose(first.arrays()[name], array, atol=1e-12, err_msg=name)


def test_half_precision_is_added_in_double() -> None:
    rows = np.full((10_000, 1), 0.1, ml_dtypes.bfloat16)
    moments = Moments(1)
    moments.update(rows)
    assert moments.total[0] == pytest.approx(float(rows[0, 0]) * 10_000, rel=1e-12)


def test_nothing_is_added_of_what_is_refused() -> None:
    moments, pair = Moments(2), CrossMoments(2, 1)
    with pytest.raises(UsageError, match="2 columns were expected"):
        moments.update(np.ones((3, 3)))
    with pytest.raises(UsageError, match="NaN"):
        moments.update([[1.0, np.nan]])
    with pytest.raises(UsageError, match="3 rows cannot be paired with 2"):
        pair.update(np.ones((3, 2)), np.ones((2, 1)))
    with pytest.raises(UsageError, match="NaN"):
        pair.update(np.ones((2, 2)), [[1.0], [np.inf]])
    assert moments.count == pair.inputs.count == pair.outputs.count == 0


def test_what_does_not_add_up() -> None:
    with pytest.raises(UsageError, match="do not add up"):
        Moments(2).merge(Moments(3))
    with pytest.raises(UsageError, match="do not add up"):
        Moments(2).merge(Moments(2, gram=False))
    with pytest.raises(UsageError, match="do not add up"):
        CrossMoments(2, 1).merge(CrossMoments(2, 3))


def test_what_was_not_taken() -> None:
    plain = Moments(2, gram=False)
    with pytest.raises(UsageError, match="gram=True"):
        _ = plain.gram
    with pytest.raises(UsageError, match="no rows"):
        _ = plain.mean

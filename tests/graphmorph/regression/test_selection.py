"""Choosing channels: algorithm 3's sums against the direct form, and what is chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.errors import UsageError
from graphmorph.regression.least_squares import repair
from graphmorph.regression.selection import contributions, entry_penalties, select

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(1, 5), st.integers(1, 3), st.integers(1, 4))
def test_gram_form_is_the_direct_form(seed: int, channels: int, taps: int, outputs: int) -> None:
    """Equation 4: the columns vec(T_i), each T_i the sum over the taps of channel i."""
    rng = np.random.default_rng(seed)
    a, w = rng.standard_normal((40, channels * taps)), rng.standard_normal((channels * taps, outputs))
    o = rng.standard_normal((40, outputs))
    numbers = rng.permutation(np.repeat(np.arange(channels), taps))
    t = np.stack([(a[:, numbers == i] @ w[numbers == i]).ravel() for i in range(channels)], axis=1)
    energy = (t**2).sum(axis=0).mean()
    found = contributions(a.T @ a, a.T @ o, w, channels=numbers, alpha=0.5)
    np.testing.assert_allclose(found.gram, t.T @ t / energy, atol=1e-9)
    np.testing.assert_allclose(found.linear, t.T @ o.ravel() / energy, atol=1e-9)


@given(seeds, st.integers(1, 10), st.data())
def test_as_many_as_asked_for(seed: int, columns: int, draw: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((40, columns)) * rng.integers(0, 2, columns)
    count = draw.draw(st.integers(0, columns))
    found = select(a.T @ a, a.T @ a @ rng.standard_normal((columns, 2)), count)
    assert found.kept.tolist() == sorted(set(found.kept.tolist()))
    assert len(found.kept) == count


def test_what_the_targets_are_made_of_is_found() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((500, 12))
    o = a[:, [2, 5, 7]] @ rng.standard_normal((3, 4)) + 0.01 * rng.standard_normal((500, 4))
    for count in (1, 2, 3):
        found = select(a.T @ a, a.T @ o, count)
        assert np.flatnonzero(found.factors).tolist() == found.kept.tolist()
        assert set(found.kept.tolist()) <= {2, 5, 7}
    assert select(a.T @ a, a.T @ o[:, 0], 3).kept.tolist() == [2, 5, 7]


def test_the_count_is_met_between_the_steps_of_the_path() -> None:
    """Forty columns of about the same importance: several of them enter in each step."""
    rng = np.random.default_rng(4)
    a = rng.standard_normal((400, 40))
    gram = a.T @ a
    for count in range(5, 40, 3):
        found = select(gram, gram @ rng.uniform(0.9, 1.1, 40), count)
        assert np.flatnonzero(found.factors).tolist() == found.kept.tolist()


def test_of_duplicates_one_is_kept() -> None:
    rng = np.random.default_rng(1)
    a = rng.standard_normal((300, 4))
    a = np.hstack([a, a])
    kept = select(a.T @ a, a.T @ a, 4, weight=np.eye(8) + np.eye(8)[[4, 5, 6, 7, 0, 1, 2, 3]]).kept
    assert sorted(kept % 4) == [0, 1, 2, 3]


def test_better_than_chance_and_than_the_longest() -> None:
    """What is selected explains more of the next layer than the channels of most energy, or random ones."""
    rng = np.random.default_rng(0)
    a = np.maximum(rng.standard_normal((3000, 8)) @ rng.standard_normal((8, 32)), 0) * rng.uniform(0.3, 2, 32)
    weight = rng.standard_normal((10, 32)) * rng.uniform(0.3, 2, 32)
    covariance = np.cov(a, rowvar=False)
    chosen = select(covariance, covariance @ weight.T, 12, weight=weight.T).kept

    def missed(kept: np.ndarray) -> float:
        return float(1 - repair(covariance, kept, weight).explained.mean())

    energetic = np.argsort(-np.diagonal(covariance))[:12]
    by_chance = np.mean([missed(rng.permutation(32)[:12]) for _ in range(20)])
    assert missed(chosen) < 0.8 * missed(energetic)
    assert missed(chosen) < 0.4 * by_chance


def test_entry_penalties_rank_what_matters() -> None:
    rng = np.random.default_rng(3)
    a = rng.standard_normal((1000, 5))
    a[:, 4] = 0
    problem = contributions(a.T @ a, a.T @ a @ np.diag([3.0, 1.0, 0.2, 0.05, 1.0]))
    entered = entry_penalties(problem)
    assert np.argsort(-entered).tolist() == [0, 1, 2, 3, 4]
    assert entered[0] < 1
    assert entered[4] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 4}, "4 of 3 channels"),
        ({"count": 1, "weight": np.ones((2, 2))}, "weight"),
        ({"count": 1, "channels": [0, 1]}, "3 columns"),
        ({"count": 1, "channels": [0, 2, 2]}, "numbered 0 to 2, but 2 have columns"),
    ],
)
def test_what_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        select(np.eye(3), np.ones((3, 2)), **options)  # type: ignore[arg-type]

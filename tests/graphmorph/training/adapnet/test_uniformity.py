"""Chi-square p-values, and β."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from graphmorph.training.adapnet import AdapNetConfig, beta_at
from graphmorph.training.adapnet.uniformity import uniformity


@given(
    st.lists(st.integers(0, 50), min_size=2, max_size=6).filter(any),
    st.lists(st.integers(1, 50), min_size=6, max_size=6),
)
def test_against_scipys(counts: list[int], weights: list[int]) -> None:
    row, reference = np.array(counts, float), np.array(weights[: len(counts)], float)
    direct = chisquare(row, row.sum() * reference / reference.sum()).pvalue
    assert uniformity(row[None], reference)[0] == pytest.approx(direct, abs=1e-12)


def test_uniform_is_1_and_concentrated_is_0() -> None:
    counts = np.array([[10.0, 20.0, 30.0], [60.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    found = uniformity(counts, np.array([1.0, 2.0, 3.0]))
    assert found[0] == pytest.approx(1.0)
    assert found[1] < 1e-12
    assert found[2] == 1.0


def test_a_column_in_which_nothing_was_counted_is_not_compared() -> None:
    counts = np.array([[5.0, 0.0, 9.0]])
    assert uniformity(counts, np.array([1.0, 0.0, 1.0])) == uniformity(counts[:, [0, 2]], np.array([1.0, 1.0]))
    assert uniformity(counts[:, :2], np.array([1.0, 0.0])).tolist() == [1.0]
    assert uniformity(np.zeros((2, 0)), np.zeros(0)).tolist() == [1.0, 1.0]


def test_evidence_bounds_what_is_counted() -> None:
    few, many = np.array([[12.0, 8.0]]), np.array([[1200.0, 800.0]])
    reference = np.array([1.0, 1.0])
    assert uniformity(many, reference)[0] < 1e-12 < 0.3 < uniformity(few, reference)[0]
    assert uniformity(many, reference, 10)[0] == pytest.approx(uniformity(few, reference)[0])
    assert uniformity(few, reference, 25)[0] == uniformity(few, reference)[0]


def test_beta_by_table_2() -> None:
    config = AdapNetConfig()
    values = [beta_at(epoch, config) for epoch in range(100)]
    assert values[:5] == [0.9] * 5
    assert values[5] == pytest.approx(0.84)
    assert values[59] == pytest.approx(0.24)
    assert values[60:] == pytest.approx([0.18] * 40)
    assert min(values) >= 0.18

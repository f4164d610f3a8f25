"""Algorithm 3, for single layers and for tied ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.training.adapnet.evidence import LayerEvidence
from graphmorph.training.adapnet.merging import chebyshev, mergings, similarity_threshold

ALL = np.ones(4, np.bool_)
SAME = np.array([[0.5, 0.5], [0.6, 0.4], [0.5, 0.5], [0.4, 0.6]])


def cosines(**pairs: float) -> np.ndarray:
    """Of four filters: 0.1, but for pairs such as p01."""
    table = np.full((4, 4), 0.1)
    for name, value in pairs.items():
        i, j = int(name[1]), int(name[2])
        table[i, j] = table[j, i] = value
    np.fill_diagonal(table, 1.0)
    return table


def layer(table: np.ndarray, distributions: np.ndarray = SAME) -> LayerEvidence:
    return LayerEvidence(np.zeros(4), distributions, table)


def pairs(members: list[LayerEvidence], eligible: np.ndarray = ALL) -> list[tuple[int, int]]:
    return [(one.first, one.second) for one in mergings(members, eligible, factor=2.0, below=0.8)]


@given(st.integers(2, 6), st.integers(0, 99))
def test_the_threshold_is_twice_the_mean_of_all_pairs(filters: int, seed: int) -> None:
    table = np.random.default_rng(seed).uniform(-0.2, 1.0, (filters, filters))
    table = (table + table.T) / 2
    direct = [table[i, j] for i in range(filters) for j in range(i)]
    assert similarity_threshold(table, 2.0) == pytest.approx(2 * abs(sum(direct) / len(direct)))


@given(st.integers(0, 99))
def test_chebyshev(seed: int) -> None:
    rows = np.random.default_rng(seed).random((5, 3))
    direct = [[max(abs(a - b) for a, b in zip(x, y, strict=True)) for y in rows] for x in rows]
    assert chebyshev(rows) == pytest.approx(np.array(direct))


def test_alike_in_maps_and_in_distributions() -> None:
    table = cosines(p01=0.9)
    (found,) = mergings([layer(table)], ALL, factor=2.0, below=0.8)
    assert (found.first, found.second, found.cosines) == (0, 1, (0.9,))
    assert found.thresholds == pytest.approx((2 * (0.9 + 5 * 0.1) / 6,))
    assert found.distances == pytest.approx((0.1,))
    apart = np.array([[1.0, 0.0], [0.1, 0.9], [0.5, 0.5], [0.5, 0.5]])
    assert pairs([layer(table, apart)]) == []


def test_the_most_similar_first_and_one_partner_each() -> None:
    table = cosines(p01=0.8, p12=0.9, p03=0.7)
    assert similarity_threshold(table, 1.0) < 0.7
    found = mergings([layer(table)], ALL, factor=1.0, below=0.8)
    assert [(one.first, one.second) for one in found] == [(1, 2), (0, 3)]


def test_tied_layers_must_agree() -> None:
    alike = layer(cosines(p01=0.9))
    assert pairs([alike, alike]) == [(0, 1)]
    assert pairs([alike, layer(cosines(p23=0.9))]) == []
    (found,) = mergings([alike, layer(cosines(p01=0.7))], ALL, factor=2.0, below=0.8)
    assert found.cosines == (0.9, 0.7)
    apart = np.array([[1.0, 0.0], [0.1, 0.9], [0.5, 0.5], [0.5, 0.5]])
    assert pairs([alike, layer(cosines(p01=0.9), apart)]) == []


def test_layers_with_less_than_two_concepts_have_no_say() -> None:
    alike, silent = layer(cosines(p01=0.9)), layer(cosines(), np.ones((4, 1)))
    assert pairs([silent]) == []
    assert pairs([alike, silent]) == [(0, 1)]


def test_protected_and_unseen_filters_stay() -> None:
    table = cosines(p01=0.9)
    assert pairs([layer(table)], np.array([True, False, True, True])) == []
    unseen = SAME.copy()
    unseen[0] = 0.0
    assert pairs([layer(table, unseen)]) == []


def test_a_negative_mean_does_not_merge_everything() -> None:
    table = cosines(p02=-0.9, p03=-0.9, p12=-0.9)
    assert table[np.triu_indices(4, 1)].mean() < 0
    assert pairs([layer(table)]) == []


def test_a_single_filter_has_no_partner() -> None:
    one = LayerEvidence(np.zeros(1), np.ones((1, 2)) / 2, np.ones((1, 1)))
    assert mergings([one], ALL[:1], factor=2.0, below=0.8) == []

"""Algorithm 4: P1, P2, and who becomes the master."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.training.adapnet.capacity import active, demand_of, insertions
from graphmorph.training.adapnet.decisions import Insertion
from graphmorph.training.adapnet.evidence import LayerEvidence

FOCUSED = [0.8, 0.1, 0.05, 0.05, 0.0]
SPREAD = [0.3, 0.28, 0.26, 0.16, 0.0]


def layer(*rows: list[float]) -> LayerEvidence:
    return LayerEvidence(np.zeros(len(rows)), np.array(rows), np.eye(len(rows)))


def inserted(members: list[LayerEvidence], eligible: np.ndarray | None = None, seed: int = 0) -> list[Insertion]:
    everybody = np.ones(members[0].filters, np.bool_) if eligible is None else eligible
    random = np.random.default_rng(seed)
    return insertions(members, everybody, "rotation", active_share=0.3, focus=0.7, random=random)


@given(st.lists(st.integers(0, 30), min_size=2, max_size=8))
def test_entries_above_the_largest_gap_are_active(counts: list[int]) -> None:
    row = np.array(counts, float)
    ordered = sorted(counts, reverse=True)
    gaps = [a - b for a, b in pairwise(ordered)]
    size = gaps.index(max(gaps)) + 1 if max(gaps) else len(counts)
    found = active(row)
    assert found.sum() == size
    assert sorted(row[found], reverse=True) == ordered[:size]


def test_p1_and_p2_by_hand() -> None:
    found = demand_of(np.array([FOCUSED, SPREAD, [0.0] * 5]))
    # FOCUSED: {0.8}: 1/5 - 0.3 = -0.1 and 0.7 - 0.8 = -0.1. SPREAD: four of five, which hold everything.
    assert found.p1 == pytest.approx(np.array([-0.1 / 0.3, (0.8 - 0.3) / 0.7, 0.0]))
    assert found.p2 == pytest.approx(np.array([-0.1 / 0.3, -1.0, 0.0]))


@given(st.integers(0, 999), st.integers(2, 9))
def test_p1_and_p2_lie_between_minus_1_and_1(seed: int, concepts: int) -> None:
    rows = np.random.default_rng(seed).dirichlet(np.full(concepts, 0.3), 5)
    found = demand_of(rows)
    for values in (found.p1, found.p2):
        assert np.abs(values).max() <= 1.0 + 1e-12


def test_a_flat_row_is_active_everywhere() -> None:
    assert active(np.full(4, 0.25)).all()
    assert demand_of(np.full((1, 4), 0.25)).p1[0] == pytest.approx(1.0)


def test_filters_that_focus_need_no_other() -> None:
    assert inserted([layer(FOCUSED, FOCUSED)]) == []


def test_filters_that_do_not_need_one_made_from_one_of_them() -> None:
    (found,) = inserted([layer(FOCUSED, SPREAD)])
    p1 = demand_of(np.array([FOCUSED, SPREAD])).p1
    assert (found.master, found.correlation) == (1, "rotation")
    assert (found.p1, found.master_p1) == pytest.approx((p1.sum(), p1[1]))
    assert {inserted([layer(SPREAD, FOCUSED, SPREAD)], seed=seed)[0].master for seed in range(20)} == {0, 2}


def test_p2_alone_suffices() -> None:
    scattered = [0.4] + [0.6 / 9] * 9
    found = demand_of(np.array([scattered]))
    assert found.p1[0] < 0 < found.p2[0]
    assert len(inserted([layer(scattered)])) == 1


def test_filters_that_focus_outweigh_one_that_does_not() -> None:
    assert inserted([layer(FOCUSED, FOCUSED, FOCUSED, SPREAD)]) == []


def test_tied_layers_add_up() -> None:
    assert len(inserted([layer(FOCUSED, SPREAD)])) == 1
    assert inserted([layer(FOCUSED, SPREAD), layer(FOCUSED, FOCUSED)]) == []
    assert inserted([layer([1.0], [1.0])]) == []


def test_a_protected_filter_is_no_master() -> None:
    assert inserted([layer(FOCUSED, SPREAD)], np.array([True, False])) == []

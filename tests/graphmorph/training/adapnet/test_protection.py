"""Who is passed over, and for how long; and when it all ends."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.journal import NEW
from graphmorph.training.adapnet import Protection, Termination


def test_a_new_filter_is_passed_over_twice() -> None:
    protection = Protection(2, 2)
    protection.end_lsep()
    protection.follow([0, 1, NEW])
    seen = []
    for _ in range(3):
        seen.append(protection.eligible.tolist())
        protection.end_lsep()
    assert seen == [[True, True, False], [True, True, False], [True, True, True]]


def test_frozen_filters_are_passed_over_until_they_are_gone() -> None:
    protection = Protection(3)
    protection.freeze([1])
    protection.end_lsep()
    assert protection.eligible.tolist() == [True, False, True]
    protection.follow([0, 2])
    assert protection.eligible.tolist() == [True, True]


def test_state_of_protection() -> None:
    protection = Protection(2, 4)
    protection.follow([0, NEW])
    protection.freeze([0])
    saved = protection.state()
    again = Protection.from_state(saved)
    protection.freeze([1])
    assert saved["frozen"].tolist() == [True, False]
    again.freeze([1])
    for one in (protection, again):
        one.follow([0, 1, NEW])
    assert np.array_equal(protection.left, [0, 4, 4])
    assert np.array_equal(again.left, protection.left)
    assert np.array_equal(again.frozen, protection.frozen)


@pytest.mark.parametrize(
    ("counts", "reached"),
    [([0], False), ([0, 0], True), ([9, 2, 0], True), ([2, 1], False), ([1, 9], False), ([0, 9, 1, 1], True)],
)
def test_fewer_than_k_in_n_consecutive_lseps(counts: list[int], reached: bool) -> None:
    termination = Termination(2, 3)
    for count in counts:
        termination.record(count)
        termination = Termination.from_state(termination.state())
    assert termination.is_reached == reached


def test_with_k_0_it_never_ends_by_itself() -> None:
    termination = Termination(1, 0)
    termination.record(0)
    assert not termination.is_reached

"""Places of axes with copies, and of axes that lost elements."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.channels.resizing.arrangement import Without, copy_numbers, groups_in, located

PLACES = st.lists(st.integers(0, 6), min_size=1, max_size=20).map(lambda found: np.array(found, np.int64))


@given(PLACES)
def test_every_copy_is_found_where_it_is(places: np.ndarray) -> None:
    numbers = copy_numbers(places)
    assert located(places, places, numbers).tolist() == list(range(places.size))
    assert all((numbers[places == one] == np.arange((places == one).sum())).all() for one in places)


def test_what_is_not_there_is_not_found() -> None:
    assert located(np.array([0, 2, 2]), np.array([1, 2, 2, 3, 0]), np.array([0, 1, 2, 0, 1])).tolist() == [
        -1,
        2,
        -1,
        -1,
        -1,
    ]


@pytest.mark.parametrize(
    ("places", "per_group", "expected"),
    [
        ([0, 1, 0, 1, 2, 3], 2, 3),
        ([2, 3], 2, 1),
        ([0, 1, 1, 2, 3, 3], 2, 2),
        ([0, 2], 2, 2),
        ([0, 1, 3], 2, None),
        ([0, 1, 1, 2, 2, 3], 2, None),
        ([0, 1, 2, 2, 3], 1, 5),
    ],
)
def test_groups_are_counted(places: list[int], per_group: int, expected: int | None) -> None:
    assert groups_in(np.array(places), per_group) == expected


def test_an_axis_that_keeps_everything_stays() -> None:
    kept = np.array([True, True, False, True])
    left = Without(kept)
    assert left.of(None) is None
    assert left.of(np.array([0, 1, 3])) is None
    assert left.sizes((None, np.array([1, 2, 3]), np.array([3, 3])), (7, 3, 2)) == (7, 2, 2)

"""Padding and crops of branches: each slides over the same windows as the square."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.expansion import asymmetric
from graphmorph.expansion.branch import Branch, pointwise
from graphmorph.expansion.windows import Geometry, Window, window


def geometry(
    size: int = 3,
    begin: tuple[int, int] = (1, 1),
    end: tuple[int, int] = (1, 1),
    *,
    channels: tuple[int, int] = (4, 4),
    strides: tuple[int, int] = (1, 1),
    dilations: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> Geometry:
    return Geometry(*channels, groups, size, strides, dilations, begin, end)


def test_the_asymmetric_branches_of_a_padded_square() -> None:
    _, horizontal, vertical = asymmetric.branches(3)
    assert window(geometry(), horizontal) == Window((0, 1), (0, 1), (0, 0), (0, 0), (0, 0), (0, 0))
    assert window(geometry(), vertical) == Window((1, 0), (1, 0), (0, 0), (0, 0), (0, 0), (0, 0))


def test_without_padding_the_input_is_cropped() -> None:
    placed = window(geometry(5, (0, 0), (0, 0), dilations=(1, 2)), pointwise(5))
    assert (placed.crop_begin, placed.crop_end, placed.pads_first) == ((2, 4), (2, 4), False)


def test_a_shifted_branch_is_padded_on_one_side_and_then_cropped_on_the_other() -> None:
    horizontal = asymmetric.branches(3, shifted=True)[1]
    placed = window(geometry(), horizontal)
    assert placed == Window((0, 1), (0, 1), (0, 0), (1, 0), (1, 0), (0, 0))
    assert (placed.pads_first, placed.crops) == (True, True)


@given(st.data())
def test_positions_read_are_those_under_the_square(data: st.DataObject) -> None:
    """Along one axis, for every input down to the smallest that the square takes."""
    size = data.draw(st.sampled_from([3, 5, 7]))
    length = data.draw(st.integers(1, size))
    first = data.draw(st.integers(0, size - length))
    dilation, stride = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    before, after = data.draw(st.integers(0, 9)), data.draw(st.integers(0, 9))
    n = data.draw(st.integers(max(dilation * (size - 1) + 1 - before - after, 1), 30))
    form = geometry(size, (before, 0), (after, 0), strides=(stride, 1), dilations=(dilation, 1))
    placed = window(form, Branch("part", (length, 1), (first, 0)))
    whole = np.pad(np.arange(1, n + 1), (before, after))
    seen = np.pad(np.arange(1, n + 1), (placed.zeros_begin[0], placed.zeros_end[0]))
    seen = seen[placed.crop_begin[0] : len(seen) - placed.crop_end[0]]
    assert len(seen) > 0
    seen = np.pad(seen, (placed.pads_begin[0], placed.pads_end[0]))
    starts = range(0, len(whole) - dilation * (size - 1), stride)
    expected = [whole[s + dilation * first :][: dilation * length : dilation].tolist() for s in starts]
    starts = range(0, len(seen) - dilation * (length - 1), stride)
    assert [seen[s:][: dilation * length : dilation].tolist() for s in starts] == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"groups": 4}, True),
        ({"size": 5, "begin": (2, 2), "end": (2, 2)}, True),
        ({"dilations": (2, 2), "begin": (2, 2), "end": (2, 2)}, True),
        ({"size": 1, "begin": (0, 0), "end": (0, 0)}, True),
        ({"dilations": (2, 2)}, False),
        ({"channels": (8, 4)}, False),
        ({"strides": (1, 2)}, False),
        ({"begin": (0, 1), "end": (2, 1)}, False),
    ],
)
def test_where_there_is_an_identity(change: dict[str, object], expected: bool) -> None:
    assert geometry(**change).has_identity is expected  # type: ignore[arg-type]

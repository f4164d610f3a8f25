"""Parts of a kernel: two pairs that complement each other, and everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.errors import UsageError
from graphmorph.kernels.positions import PARTS, Where, mean_at, position_mask

PICTURES: dict[Where, str] = {
    "skeleton": ".#. ### .#.",
    "corner": "#.# ... #.#",
    "border": "..# ..# ###",
    "top-left": "##. ##. ...",
    "global": "### ### ###",
}


def picture(mask: np.ndarray) -> str:
    return " ".join("".join("#" if on else "." for on in row) for row in mask)


@pytest.mark.parametrize("where", PARTS)
def test_parts_of_three_by_three(where: Where) -> None:
    assert picture(position_mask(where, 3)) == PICTURES[where]


@given(st.integers(0, 8).map(lambda half: 2 * half + 1))
def test_parts_complement_each_other(size: int) -> None:
    for one, other in (("skeleton", "corner"), ("border", "top-left")):
        assert np.array_equal(position_mask(one, size), ~position_mask(other, size))  # type: ignore[arg-type]
        assert position_mask(one, size).sum() == 2 * size - 1  # type: ignore[arg-type]


def test_mean_over_a_part() -> None:
    matrix = np.arange(9.0).reshape(3, 3)
    assert mean_at(matrix, "corner") == (0 + 2 + 6 + 8) / 4
    assert mean_at(matrix, "border") == (2 + 5 + 6 + 7 + 8) / 5


def test_unknown_parts_and_even_kernels_are_refused() -> None:
    with pytest.raises(UsageError, match="no part 'middle' of a kernel: choose one of corner, skeleton, border"):
        position_mask("middle", 3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a 4 x 4 kernel has no middle"):
        position_mask("skeleton", 4)

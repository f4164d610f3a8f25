"""Assigning to a slice: blocks that ScatterND writes, and what they cover."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graphmorph.channels.values.oracle import check, constants, duplicates
from tests.graphmorph.channels.values.planted import NAN, planted
from tests.passes.text_models import Weight

SIDES = (np.s_[:1, :], np.s_[-1:, :], np.s_[:, :1], np.s_[:, -1:])
BORDER = np.array([0.5, 0.5, 0.0, 0.75, 0.5, 0.5])
SHAPE = "2,4,8,8"


def block(size: int, rows: slice, columns: slice) -> np.ndarray:
    """Indices of a block of [2, 6, size, size]."""
    places = np.arange(2), np.arange(6), np.arange(size)[rows], np.arange(size)[columns]
    return np.stack(np.meshgrid(*places, indexing="ij"), axis=-1)


def filled(indices: np.ndarray, values: np.ndarray) -> np.ndarray:
    """One value for each channel."""
    return np.broadcast_to(values[:, np.newaxis, np.newaxis], indices.shape[:-1]).copy()


def border(values: np.ndarray, sides: tuple[int, ...] = (0, 1, 2, 3)) -> tuple[str, dict[str, Weight]]:
    """t in a border of zeros, over sides of which values are written."""
    weights: dict[str, Weight] = {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
    text, last = "s = Pad(t, pads)", "s"
    for number in sides:
        indices = block(10, *SIDES[number])
        weights |= {f"i{number}": indices, f"u{number}": filled(indices, values)}
        text += f" s{number} = ScatterND({last}, i{number}, u{number})"
        last = f"s{number}"
    return f"{text} y = Identity({last})", weights


def test_a_border_of_the_same_constants_leaves_them_constant() -> None:
    values = check(planted(*border(BORDER), shape=SHAPE))
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, 0, 0.75, NAN, NAN])
    assert duplicates(values, "y") == [(0, 1)]


def test_a_border_that_is_off_by_rounding_counts_as_the_same() -> None:
    values = check(planted(*border(BORDER * (1 + 2.0**-22)), shape=SHAPE))
    assert constants(values, "y")[3] == pytest.approx(0.75)


@pytest.mark.parametrize("missing", range(4))
def test_what_is_not_covered_counts(missing: int) -> None:
    sides = tuple(side for side in range(4) if side != missing)
    values = check(planted(*border(BORDER, sides), shape=SHAPE))
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, 0, NAN, NAN, NAN])


def test_other_values_make_other_channels() -> None:
    values = check(planted(*border(np.array([0.5, 0.25, 0.125, 0.5, 0.5, 0.5])), shape=SHAPE))
    assert np.isnan(constants(values, "y")).all()
    assert duplicates(values, "y") == []


def test_values_that_are_computed_are_written_over_zeros() -> None:
    inside = block(10, np.s_[1:-1], np.s_[1:-1])
    values = check(
        planted("y = ScatterND(z, i, t)", {"z": np.zeros((2, 6, 10, 10)), "i": inside}, shape=SHAPE),
    )
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, 0, NAN, NAN, NAN] * 2)
    assert duplicates(values, "y") == [(0, 1), (3, 9), (6, 7)], "3 and 9 are 0.75 in a border of zeros"


def test_all_of_it_written_over() -> None:
    values = check(planted("y = ScatterND(p, i, t)", {"i": block(8, np.s_[:], np.s_[:])}, shape=SHAPE))
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, 0, 0.75, NAN, NAN])
    np.testing.assert_array_equal(values.number("y"), values.number("t"))


@pytest.mark.parametrize("how", ["reduction", "reversed", "scattered", "other channels"])
def test_what_is_no_block_in_order(how: str) -> None:
    """Every claim is held against runs; here none may be made of channel 3 but where rows change places."""
    indices, mode = block(8, np.s_[:], np.s_[:2]), ""
    if how == "reduction":
        mode = '<reduction="add">'
    elif how == "reversed":
        indices[..., 2] = indices[..., 2][:, :, ::-1]
    elif how == "scattered":
        indices[0, 3, :, :, 1] = 5
    else:
        indices[..., 1] = indices[..., 1][:, ::-1]
    values = check(planted(f"y = ScatterND{mode}(t, i, u)", {"i": indices, "u": filled(indices, BORDER)}, shape=SHAPE))
    found = constants(values, "y")
    assert (len(found) == 6 and found[3] == 0.75) == (how == "reversed")


@pytest.mark.parametrize("seed", range(12))
def test_chains_of_writes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    text, last = "", "t"
    weights: dict[str, Weight] = {}
    for number in range(4):
        (top, left), (bottom, right) = rng.integers(0, 4, 2), rng.integers(4, 9, 2)
        indices = block(8, slice(top, bottom), slice(left, right))
        weights |= {f"i{number}": indices, f"u{number}": filled(indices, rng.choice([0.0, 0.75, 1.0], 6))}
        text += f" s{number} = ScatterND({last}, i{number}, u{number})"
        last = f"s{number}"
    check(planted(f"{text} y = Relu({last})", weights, shape=SHAPE), seed=seed)

"""Pruning by position: how many weights go, which ones may, and that the rest stays bit for bit."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.errors import UsageError
from graphmorph.kernels.positions import PARTS, Where, position_mask
from graphmorph.kernels.pruning import prune_kernel

WHERE = st.sampled_from(PARTS)
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6), st.sampled_from([3, 5])).map(lambda s: (*s, s[2]))


def dense(shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
    """Weights of which none is zero."""
    return np.random.default_rng(3).uniform(0.5, 1.5, shape).astype(dtype)


def prune(kernel: np.ndarray, where: Where, sparsity: float, seed: int) -> np.ndarray:
    return prune_kernel(kernel, where, sparsity, np.random.default_rng(seed)).kernel


@given(SHAPES, WHERE, st.floats(0, 1), st.integers(0, 99))
def test_the_ratio_is_met_at_these_positions_and_nothing_else_changes(
    shape: tuple[int, ...], where: Where, share: float, seed: int
) -> None:
    kernel = dense(shape)
    before = kernel.copy()
    mask = position_mask(where, shape[-1])
    sparsity = share * float(mask.mean())
    pruned = prune_kernel(kernel, where, sparsity, np.random.default_rng(seed))
    gone = pruned.kernel == 0
    assert gone.sum() == pruned.zeroed == round(sparsity * kernel.size)
    assert abs(pruned.sparsity - sparsity) <= 0.5 / kernel.size + 1e-12
    assert not gone[:, :, ~mask].any()
    assert np.array_equal(pruned.kernel[~gone], kernel[~gone])
    assert np.array_equal(kernel, before)


@given(SHAPES, WHERE, st.floats(0, 1), st.floats(0, 1), st.integers(0, 99))
def test_more_of_the_same_draw_removes_more_of_the_same(
    shape: tuple[int, ...], where: Where, one: float, other: float, seed: int
) -> None:
    held = float(position_mask(where, shape[-1]).mean())
    less, more = sorted((one * held, other * held))
    kernel = dense(shape)
    assert not np.any((prune(kernel, where, less, seed) == 0) & (prune(kernel, where, more, seed) != 0))


def test_every_position_has_its_chance() -> None:
    kernel = dense((8, 8, 3, 3))
    counts = sum(prune(kernel, "skeleton", 2 / 9, seed) == 0 for seed in range(200))
    share = np.asarray(counts)[:, :, position_mask("skeleton", 3)] / 200
    assert share.mean() == pytest.approx(2 / 5, abs=0.002)
    assert abs(share - 2 / 5).max() < 0.16  # 4.6 standard deviations of one weight
    per_position = share.mean(axis=(0, 1))
    np.testing.assert_allclose(per_position, 2 / 5, atol=0.015)


def test_all_corners_of_three_by_three_are_four_ninths() -> None:
    pruned = prune(dense((4, 2, 3, 3)), "corner", 4 / 9, 0)
    assert np.array_equal((pruned == 0).all(axis=(0, 1)), position_mask("corner", 3))


def test_a_ratio_that_the_positions_do_not_hold_is_refused() -> None:
    message = r"a sparsity of 0.5 is more than the corner positions of 3 x 3 kernels hold: 4 of 9, so 0.4444 at most"
    with pytest.raises(UsageError, match=message):
        prune(dense((2, 2, 3, 3)), "corner", 0.5, 0)
    for ratio in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError, match="is not between 0 and 1"):
            prune(dense((2, 2, 3, 3)), "global", ratio, 0)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16])
def test_the_type_stays(dtype: type) -> None:
    kernel = dense((3, 2, 3, 3), dtype)
    kernel.flags.writeable = False
    pruned = prune(kernel, "global", 0.25, 1)
    assert pruned.dtype == kernel.dtype
    assert (pruned == 0).sum() == round(0.25 * kernel.size)


def test_a_transposed_kernel_is_pruned_at_its_own_positions() -> None:
    kernel = dense((3, 3, 5, 2)).transpose(3, 2, 0, 1)
    pruned = prune(kernel, "corner", 0.2, 4)
    assert (pruned == 0).sum() == round(0.2 * kernel.size)
    assert not (pruned[:, :, position_mask("skeleton", 3)] == 0).any()

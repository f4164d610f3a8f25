"""Parts of a kernel add up to it: exactly, but for the one rounding of the square."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.expansion import asymmetric, mobileone, repvgg
from graphmorph.expansion.branch import Branch
from graphmorph.expansion.splitting import drawn, energies, placed, rounded, split

BLOCKS: dict[str, tuple[Branch, ...]] = {
    "acb": asymmetric.branches(3),
    "shifted": asymmetric.branches(3, shifted=True),
    "repvgg": repvgg.branches(3, with_identity=True),
    "mobileone": mobileone.branches(3, count=3, with_identity=True),
}
TYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]


def kernel(shape: tuple[int, ...], dtype: Any = np.float32, seed: int = 0) -> np.ndarray:
    return rounded(np.random.default_rng(seed).standard_normal(shape), np.dtype(dtype))


@given(st.sampled_from(sorted(BLOCKS)), st.sampled_from(TYPES), st.sampled_from([1, 2, 4]), st.integers(0, 99))
def test_the_parts_add_up(block: str, dtype: Any, groups: int, seed: int) -> None:
    whole = kernel((4, 4 // groups, 3, 3), dtype, seed)
    parts = split(whole, BLOCKS[block], np.dtype(dtype), 0.5, np.random.default_rng(seed))
    total = sum(placed(part, branch, whole.shape) for part, branch in zip(parts, BLOCKS[block], strict=True))
    np.testing.assert_allclose(total, whole, rtol=0, atol=1e-15)
    for part, branch in list(zip(parts, BLOCKS[block], strict=True))[1:]:
        if not branch.is_identity:
            np.testing.assert_array_equal(part, rounded(part, np.dtype(dtype)))


def test_a_share_moves_and_noise_of_the_kernels_own_size_comes_on_top() -> None:
    whole = kernel((64, 32, 3, 3)) + 1.0
    _, horizontal, _ = split(whole, BLOCKS["acb"], np.dtype(np.float64), 0.25, np.random.default_rng(0))
    noise = horizontal - 0.25 * whole[:, :, 1:2]
    assert np.std(noise) == pytest.approx(np.sqrt(np.mean(whole**2)), rel=0.02)
    assert np.mean(noise) == pytest.approx(0, abs=0.05)


def test_filters_of_zeros_stay_zeros() -> None:
    whole = kernel((4, 4, 3, 3))
    whole[2] = 0.0
    for part in split(whole, BLOCKS["mobileone"], np.dtype(np.float32), 0.5, np.random.default_rng(0)):
        assert not np.any(part[2])
        assert np.all(np.any(part[[0, 1, 3]].reshape(3, -1), axis=1))


def test_the_identity_copies_within_its_group() -> None:
    identity = BLOCKS["repvgg"][2]
    square = placed(np.arange(1.0, 5.0), identity, (4, 2, 3, 3))
    x = np.random.default_rng(0).standard_normal(4)
    groups = square[:, :, 1, 1].reshape(2, 2, 2)
    np.testing.assert_array_equal(np.matmul(groups, x.reshape(2, 2, 1)).reshape(4), np.arange(1.0, 5.0) * x)
    assert np.count_nonzero(square) == 4


def test_energies() -> None:
    whole = np.full((2, 1, 3, 3), 2.0)
    whole[1] = 0.0
    found = energies(whole, [whole, np.ones((2, 1, 1, 3)), np.ones(2)])
    np.testing.assert_allclose(found, [[1, 1], [3 / 36, 1], [1 / 36, 1]])


def test_fresh_kernels_are_drawn_as_torch_draws_them() -> None:
    torch = pytest.importorskip("torch")
    ours = drawn((256, 8, 1, 3), np.random.default_rng(0))
    theirs = torch.nn.Conv2d(8, 256, (1, 3)).weight.detach().numpy()
    assert np.abs(ours).max() <= 1 / np.sqrt(24)
    assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.01)
    assert np.std(ours) == pytest.approx(np.std(theirs), rel=0.05)


def test_what_leaves_the_range_of_the_type_is_infinite() -> None:
    assert rounded(np.array([1e5, 1.0]), np.dtype(np.float16)).tolist() == [np.inf, 1.0]

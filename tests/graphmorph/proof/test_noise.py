"""The threshold, apart from any model."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.proof.noise import given_tolerance, noise_floor, noise_tolerance, slice_size


def test_floor_is_16_ulps_of_the_size_without_a_second_route() -> None:
    reference = np.array([[1.0, -4.0]], np.float32)
    assert noise_floor(reference, None) == pytest.approx(4 * 16 * 2.0**-23)
    assert noise_tolerance(noise_floor(reference, None), reference.dtype) == pytest.approx(8 * 4 * 16 * 2.0**-23)


def test_measured_noise_raises_the_floor() -> None:
    reference = np.array([[1.0, -4.0]], np.float32)
    assert noise_floor(reference, reference + np.float32(0.5)) == pytest.approx(0.5)


@pytest.mark.parametrize(("dtype", "most"), [("float16", 0.01), ("float32", 2e-5), ("float64", 1e-13)])
def test_tolerance_stays_a_small_share_of_the_output(dtype: str, most: float) -> None:
    reference = np.ones((2, 3), dtype)
    assert float(noise_tolerance(noise_floor(reference, None), reference.dtype).max()) < most


def test_8_bit_integers_may_flip_by_what_was_measured() -> None:
    reference = np.array([10, 20], np.uint8)
    floor = noise_floor(reference, reference + np.uint8(1))
    assert noise_tolerance(floor, reference.dtype) == pytest.approx(1)
    assert noise_tolerance(noise_floor(reference, None), reference.dtype) == 0


def test_slices_have_their_own_size() -> None:
    magnitude = np.ones((1, 100, 3))
    magnitude[..., 0] = 8
    size = np.broadcast_to(slice_size(magnitude), magnitude.shape)
    assert (size[..., 0] == 8).all()
    assert (size[..., 1:] == 1).all()


def test_a_slice_counts_for_at_least_a_sixteenth() -> None:
    magnitude = np.zeros((1, 100, 3))
    magnitude[..., 0] = 16
    assert float(slice_size(magnitude).min()) == 1


def test_short_slices_are_not_looked_at() -> None:
    magnitude = np.zeros((1, 1000))
    magnitude[0, 5] = 3
    assert (slice_size(magnitude) == 3).all()


def test_empty_outputs() -> None:
    assert noise_floor(np.zeros((0, 4), np.float32), None).shape == (1, 1)


def test_floor_of_discrete_outputs_is_the_share_that_noise_flips() -> None:
    reference = np.arange(10)
    other = reference.copy()
    other[0] += 5
    assert noise_floor(reference, other) == pytest.approx(0.1)
    assert noise_floor(reference, None) == 0


def test_nan_and_inf_do_not_raise_the_floor() -> None:
    reference = np.array([np.nan, np.inf, 1.0], np.float32)
    assert np.isfinite(noise_floor(reference, reference)).all()


def test_given_tolerance() -> None:
    reference = np.array([1.0, -2.0, np.inf], np.float32)
    assert given_tolerance(reference, 0.5, 0.25).tolist() == [0.75, 1.25, 0.25]
    assert given_tolerance(reference, None, 0.25).tolist() == [0.25] * 3
    assert given_tolerance(np.array([3]), 0.5, 0.25).tolist() == [0.0]

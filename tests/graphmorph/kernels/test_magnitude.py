"""Equations 9 and 10, against the sums as the paper writes them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from graphmorph.errors import RefusedError
from graphmorph.kernels.magnitude import average_magnitude, kernel_magnitude, relative_magnitude

WEIGHTS = st.floats(-8, 8).filter(lambda value: value == 0 or abs(value) > 1e-6)
SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 3, 5])).map(lambda s: (*s, s[2]))
KERNELS = arrays(np.float64, SHAPES, elements=WEIGHTS)


def as_written(kernels: list[np.ndarray]) -> np.ndarray:
    """A of one kernel size, sum by sum."""
    total = np.zeros(kernels[0].shape[2:])
    for kernel in kernels:
        layer = np.zeros(kernel.shape[2:])
        for filter_ in kernel:
            for plane in filter_:
                layer += abs(plane)
        total += layer / layer.max()
    return total / len(kernels)


@given(st.lists(arrays(np.float64, (2, 3, 3, 3), elements=st.floats(0.5, 8)), min_size=1, max_size=4))
def test_a_is_what_the_paper_writes(kernels: list[np.ndarray]) -> None:
    average = average_magnitude([relative_magnitude(kernel) for kernel in kernels])
    np.testing.assert_allclose(average, as_written(kernels), rtol=1e-12)


@given(KERNELS, st.floats(0.25, 4), st.data())
def test_scale_sign_and_order_of_filters_do_not_count(kernel: np.ndarray, scale: float, data: st.DataObject) -> None:
    if not kernel.any():
        return
    relative = relative_magnitude(kernel)
    assert relative.max() == 1
    assert relative.min() >= 0
    signs = data.draw(arrays(np.float64, kernel.shape, elements=st.sampled_from([-1.0, 1.0])))
    order = data.draw(st.permutations(range(len(kernel))))
    np.testing.assert_allclose(relative_magnitude(scale * (signs * kernel)[order]), relative, rtol=1e-12, atol=1e-12)


@given(arrays(np.float64, (2, 3, 3, 3), elements=WEIGHTS))
def test_magnitudes_of_layers_side_by_side_add_up(kernel: np.ndarray) -> None:
    apart = kernel_magnitude(kernel[:1]) + kernel_magnitude(kernel[1:])
    np.testing.assert_allclose(kernel_magnitude(kernel), apart, rtol=1e-12)


def test_kernels_without_a_largest_weight_are_refused() -> None:
    with pytest.raises(RefusedError, match="all its weights are zero"):
        relative_magnitude(np.zeros((2, 2, 3, 3)))
    with pytest.raises(RefusedError, match="all its weights are zero"):
        relative_magnitude(np.zeros((0, 2, 3, 3)))
    for value in (np.nan, np.inf):
        kernel = np.ones((2, 2, 3, 3))
        kernel[1, 0, 2, 2] = value
        with pytest.raises(RefusedError, match="not all finite"):
            relative_magnitude(kernel)

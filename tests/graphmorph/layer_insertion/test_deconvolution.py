"""Two kernels that are to be one: against convolutions in plain numpy, border and all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphmorph.layer_insertion.deconvolution import EXACT, composite, first_given, second_given, taken_apart
from graphmorph.layer_insertion.tap_equations import PRODUCT, Equations, over_axes, positions, windows
from tests.graphmorph.layer_insertion.plain_convolution import convolved, keeping_pads

Window = tuple[int, int, int, tuple[int, int]]
Axis = tuple[int, int, int, tuple[int, int], int]


@st.composite
def axes(draw: st.DrawFn) -> Axis:
    """Second kernel, dilation, first kernel, pads, stride."""
    second, dilation, first = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    pad = st.integers(0, 4)
    return second, dilation, first, (draw(pad), draw(pad)), draw(st.integers(1, 2))


@settings(max_examples=100)
@given(each=st.lists(axes(), min_size=1, max_size=2), seed=st.integers(0, 99))
def test_enough_channels_keep_the_function_up_to_the_border(each: list[Axis], seed: int) -> None:
    rng = np.random.default_rng(seed)
    equations = over_axes([windows(second, dilation, first, pads) for second, dilation, first, pads, _ in each])
    seconds, dilations, firsts, pads, strides = zip(*each, strict=True)
    channels = equations.channels_for(100, 2) + 3
    parent = rng.standard_normal((3, 2, *seconds))
    start = rng.standard_normal((channels, 2, *firsts))
    found = taken_apart(parent.reshape(3, 2, -1), start.reshape(channels, 2, -1), equations, 0)
    assert found.loss < EXACT
    np.testing.assert_array_equal(found.first.reshape(start.shape), start)
    second = found.second.transpose(1, 0, 2).reshape(3, channels, *seconds)
    begins, ends = zip(*pads, strict=True)
    sizes = [max((k - 1) * d + 1, 3) + int(rng.integers(0, 4)) for k, d in zip(seconds, dilations, strict=True)]
    x = rng.standard_normal((2, 2, *sizes))
    wanted = convolved(x, parent, strides, (*begins, *ends), dilations)
    between = convolved(x, start, [1] * len(each), keeping_pads(firsts), [1] * len(each))
    given = convolved(between, second, strides, (*begins, *ends), dilations)
    np.testing.assert_allclose(given, wanted, atol=1e-6 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("window", "equations", "channels"),
    [
        ((3, 1, 3, (0, 0)), 5, 5 / 3),
        ((3, 1, 3, (1, 1)), 7, 7 / 3),
        ((1, 1, 3, (0, 0)), 3, 3.0),
        ((2, 2, 3, (1, 1)), 6, 3.0),  # the offset 1 is given up from both sides: a third equation says nothing new
        ((3, 1, 1, (1, 1)), 3, 1.0),
        ((3, 4, 3, (4, 0)), 9, 3.0),
        ((3, 1, 3, (10**9, 0)), 7, 7 / 3),
    ],
)
def test_how_many_equations_there_are(window: Window, equations: int, channels: float) -> None:
    found = windows(*window)
    assert len(found.pairs) == equations
    assert found.crowding[0] == pytest.approx(channels)
    assert np.linalg.matrix_rank(found.pairs.reshape(equations, -1)) == equations


@pytest.mark.parametrize("window", [(3, 1, 3, (0, 0)), (3, 1, 3, (1, 1)), (5, 1, 3, (2, 2)), (1, 1, 3, (0, 0))])
@pytest.mark.parametrize("axes", [1, 2])
def test_so_many_channels_are_enough_and_no_fewer(window: Window, axes: int) -> None:
    rng = np.random.default_rng(3)
    equations = over_axes([windows(*window)] * axes)
    _, second, first = equations.pairs.shape
    target = equations.target(rng.standard_normal((4, 3, second)))
    channels = equations.channels_for(1000, 3)
    for count, exact in ((channels, True), (channels - 1, False)):
        start = rng.standard_normal((count, 3, first))
        missed = composite(start, second_given(start, target, equations), equations) - target
        assert (np.abs(missed).max() < 1e-6) == exact


def test_without_the_border_kernels_that_multiply_to_the_parent_differ_from_it_there() -> None:
    rng = np.random.default_rng(0)
    parent, start = rng.standard_normal((3, 2, 3)), rng.standard_normal((6, 2, 3))
    found = taken_apart(parent, start, windows(3, 1, 3, (0, 0)), 0)
    assert found.loss < EXACT
    x = rng.standard_normal((1, 2, 8))
    between = convolved(x, start, [1], (1, 1), [1])
    given = convolved(between, found.second.transpose(1, 0, 2), [1], (1, 1), [1])
    off = np.abs(given - convolved(x, parent, [1], (1, 1), [1])).max(axis=(0, 1))
    assert off[1:-1].max() < 1e-9
    assert min(off[0], off[-1]) > 0.01


@settings(max_examples=50)
@given(sizes=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 4)), min_size=1, max_size=2), seed=st.integers(0, 99))
def test_positions_that_are_read_whole(sizes: list[tuple[int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts, firsts = zip(*sizes, strict=True)
    parent = rng.standard_normal((3, 2, int(np.prod(counts))))
    start = rng.standard_normal((4, 2, *firsts))
    equations = over_axes([positions(count, first) for count, first in sizes])
    found = taken_apart(parent, start.reshape(4, 2, -1), equations, 0)
    assert equations.channels_for(100, 2) == 2
    assert found.loss < EXACT
    x = rng.standard_normal((4, 2, *counts))
    between = convolved(x, start, [1] * len(sizes), keeping_pads(firsts), [1] * len(sizes))
    given = between.reshape(4, -1) @ found.second.transpose(0, 2, 1).reshape(-1, 3)
    wanted = x.reshape(4, -1) @ parent.transpose(1, 2, 0).reshape(-1, 3)
    np.testing.assert_allclose(given, wanted, atol=1e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("equations", [PRODUCT, windows(3, 2, 3, (1, 2)), positions(4, 3)], ids=["1", "w", "p"])
@pytest.mark.parametrize("channels", [1, 2, 5, 40])
def test_either_kernel_is_that_of_the_pseudo_inverse(equations: Equations, channels: int) -> None:
    rng = np.random.default_rng(channels)
    _, taps, first_taps = equations.pairs.shape
    target = equations.target(rng.standard_normal((3, 4, taps)))
    first, second = rng.standard_normal((channels, 4, first_taps)), rng.standard_normal((channels, 3, taps))
    mixed = np.einsum("cdu,evu->cvde", first, equations.pairs).reshape(channels * taps, -1)
    right = target.reshape(3, -1)
    expected = (right @ np.linalg.pinv(mixed)).reshape(3, channels, taps).transpose(1, 0, 2)
    np.testing.assert_allclose(second_given(first, target, equations), expected, atol=1e-8)
    mixed = np.einsum("cov,evu->cuoe", second, equations.pairs).reshape(channels * first_taps, -1)
    right = target.transpose(1, 0, 2).reshape(4, -1)
    expected = (right @ np.linalg.pinv(mixed)).reshape(4, channels, first_taps).transpose(1, 0, 2)
    np.testing.assert_allclose(first_given(second, target, equations), expected, atol=1e-8)
    product = np.einsum("cov,cdu,evu->ode", second, first, equations.pairs)
    np.testing.assert_allclose(composite(first, second, equations), product, atol=1e-12)


def test_too_few_channels_come_close_to_the_truncated_decomposition() -> None:
    rng = np.random.default_rng(1)
    parent = rng.standard_normal((9, 6, 1))
    start = rng.standard_normal((3, 6, 1))
    values = np.linalg.svd(parent[:, :, 0], compute_uv=False)
    best = float((values[3:] ** 2).sum() / (values**2).sum())
    losses = [taken_apart(parent, start, PRODUCT, rounds).loss for rounds in (0, 1, 2, 4, 8, 100)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 1.2 * best
    assert best * (1 - 1e-9) <= losses[-1] < best * 1.01


def test_a_kernel_of_low_rank_needs_no_more_channels_than_its_rank() -> None:
    rng = np.random.default_rng(2)
    parent = (rng.standard_normal((9, 2)) @ rng.standard_normal((2, 6)))[:, :, None]
    start = rng.standard_normal((2, 6, 1))
    assert taken_apart(parent, start, PRODUCT, 0).loss > 0.01
    found = taken_apart(parent, start, PRODUCT, 1)
    assert found.loss < EXACT
    np.testing.assert_allclose(np.linalg.norm(found.first), np.linalg.norm(start))


def test_a_kernel_of_zeros_is_met() -> None:
    found = taken_apart(np.zeros((2, 3, 1)), np.ones((4, 3, 1)), PRODUCT, 3)
    assert found.loss == 0.0
    assert not found.second.any()

"""The kernel algebra against kernels evaluated by their definition."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import gcd
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphmorph.affine.kernel import (
    Kernel,
    Window,
    compose,
    enclosing_window,
    identity,
    merged_weights,
    multiply_adds,
    regroup,
    scale_outputs,
    shift,
    tap_sum,
    window,
)
from tests.graphmorph.affine.dense_kernels import CHANNELS, assert_close, divisors, gaussian, kernels, spread, values

algebra = settings(deadline=None, database=None, derandomize=True, max_examples=120)
ranks = st.integers(0, 2)
grouped = st.sampled_from([(o, i, g) for o, i in product(CHANNELS, CHANNELS) for g in divisors(gcd(o, i))])


@algebra
@given(grouped, st.data())
def test_fewer_groups_are_the_same_matrix(shape: tuple[int, int, int], data: st.DataObject) -> None:
    """regroup puts zeros between the blocks and moves nothing: written out in full, the weights are equal."""
    outs, ins, groups = shape
    weights = gaussian(outs, ins // groups, 2)
    wanted = data.draw(st.sampled_from(divisors(groups)))
    found = regroup(weights, groups, wanted)
    assert found.shape == (outs, ins // wanted, 2)
    np.testing.assert_array_equal(spread(found, wanted, ins), spread(weights, groups, ins))


@algebra
@given(kernels(rank=1))
def test_tap_sum_is_what_a_constant_input_gives(kernel: Kernel) -> None:
    """Far from every border a kernel gives tap_sum on an input that is one number a channel."""
    constant = gaussian(kernel.in_channels, seed=1)
    found = tap_sum(kernel.weights(), kernel.groups, constant)
    expected = values(kernel, np.repeat(constant[:, None], 30, axis=1), at=[(3,), (5,)])
    assert_close(found[:, None].repeat(2, axis=1), expected)


def _pair(draw: Callable[[Any], Any], rank: int) -> tuple[Kernel, Kernel]:
    inner = draw(kernels(rank=rank))
    return draw(kernels(rank=rank, in_channels=inner.out_channels)), inner


@algebra
@given(ranks, st.data())
def test_compose_is_one_kernel_after_the_other(rank: int, data: st.DataObject) -> None:
    """At any position, where the inner kernel is evaluated beyond its own bounds too ("borders aside")."""
    outer, inner = _pair(data.draw, rank)
    x = gaussian(inner.in_channels, *[6] * rank, seed=3)
    whole = compose(outer, inner)
    places = list(product(range(-3, 4), repeat=rank))
    reach = range(-12, 16)
    mid = values(inner, x, at=list(product(reach, repeat=rank)))
    mid = mid.reshape(inner.out_channels, *[len(reach)] * rank)
    moved = [tuple(o - reach.start for o in offset) for offset in outer.offsets]
    recentred = Kernel(**{**vars(outer), "offsets": tuple(moved)})
    assert_close(values(whole, x, at=places), values(recentred, mid, at=places))
    assert whole.weights().shape == (outer.out_channels, inner.in_channels // whole.groups, whole.taps)
    assert len(set(whole.offsets)) == whole.taps


@algebra
@given(ranks, st.data())
def test_compose_keeps_sizes(rank: int, data: st.DataObject) -> None:
    """Size terms are closed under composition: for every n, rounding included."""
    outer, inner = _pair(data.draw, rank)
    whole = compose(outer, inner)
    for n in range(1, 30):
        assert whole.size([n] * rank) == outer.size(inner.size([n] * rank))
    assert whole.size([None] * rank) == (None,) * rank


@algebra
@given(ranks, st.data())
def test_compose_is_associative(rank: int, data: st.DataObject) -> None:
    """Also where groups of 1, of some and of all channels meet; sizes, strides and offsets agree exactly."""
    middle, inner = _pair(data.draw, rank)
    outer = data.draw(kernels(rank=rank, in_channels=middle.out_channels))
    left, right = compose(outer, compose(middle, inner)), compose(compose(outer, middle), inner)
    assert (left.stride, left.size_term, set(left.offsets)) == (right.stride, right.size_term, set(right.offsets))
    ordered = []
    for kernel in (left, right):
        full = spread(kernel.weights(), kernel.groups, kernel.in_channels)
        ordered.append(full[:, :, sorted(range(kernel.taps), key=lambda tap: kernel.offsets[tap])])
    assert_close(ordered[0], ordered[1], atol=1e-10)


def test_compose_with_many_taps_gathers_them_alike() -> None:
    """From 64 offsets on the places are looked up another way; a 9-tap row over a 9 by 8 window."""
    inner = _window(1, 1, 1, (9, 8), gaussian(1, 1, 9, 8), (1, 1), (1, 1), (0, 0), (0, 0))
    outer = _window(1, 1, 1, (2, 2), gaussian(1, 1, 2, 2, seed=1), (1, 1), (1, 1), (0, 0), (0, 0))
    x = gaussian(1, 14, 13, seed=2)
    assert compose(outer, inner).taps == 90
    assert_close(values(compose(outer, inner), x), values(outer, values(inner, x)))


@algebra
@given(ranks, st.data())
def test_the_identity_is_neutral(rank: int, data: st.DataObject) -> None:
    """On either side; composing onto it costs nothing, since the kernel itself comes back."""
    kernel = data.draw(kernels(rank=rank))
    assert compose(kernel, identity(kernel.in_channels, rank)) is kernel
    after = compose(identity(kernel.out_channels, rank), kernel)
    x = gaussian(kernel.in_channels, *[5] * rank)
    assert (after.stride, after.size_term, after.groups) == (kernel.stride, kernel.size_term, kernel.groups)
    assert_close(values(after, x), values(kernel, x))
    assert identity(3, rank).is_diagonal


@algebra
@given(kernels(rank=1))
def test_scaling_the_outputs(kernel: Kernel) -> None:
    """scale_outputs multiplies output channel o by scale[o] and changes nothing else."""
    scale = gaussian(kernel.out_channels, seed=4)
    x = gaussian(kernel.in_channels, 5)
    assert_close(values(scale_outputs(kernel, scale), x), values(kernel, x) * scale[:, None])


def _window(
    outs: int, ins: int, groups: int, shape: tuple[int, ...], weights: Any, *geometry: tuple[int, ...]
) -> Kernel:
    stride, dilation, begin, end = geometry
    options = {"stride": stride, "dilation": dilation, "pads_begin": begin, "pads_end": end}
    return window(outs, ins, groups, shape, lambda: weights, **options)


@algebra
@given(grouped, st.data())
def test_a_window_is_a_convolution(shape: tuple[int, int, int], data: st.DataObject) -> None:
    """ONNX Conv on an input that is really padded: sum of w[o, i, k] * padded[i, stride*p + dilation*k]."""
    outs, ins, groups = shape
    drawn = [data.draw(st.tuples(*[st.integers(*r)] * 2)) for r in ((1, 3), (1, 3), (1, 2), (0, 2), (0, 2))]
    size, stride, dilation, begin, end = drawn
    weights, x = gaussian(outs, ins // groups, *size, seed=5), gaussian(ins, 6, 5, seed=6)
    padded = np.pad(x, [(0, 0), *zip(begin, end, strict=True)])
    extent = [d * (k - 1) + 1 for d, k in zip(dilation, size, strict=True)]
    counts = [(n - e) // s + 1 for n, e, s in zip(padded.shape[1:], extent, stride, strict=True)]
    full = spread(weights.reshape(outs, ins // groups, -1), groups, ins).reshape(outs, ins, *size)
    expected = np.zeros((outs, *counts))
    for p, q in product(*map(range, counts)):
        top, left = p * stride[0], q * stride[1]
        patch = padded[:, top : top + extent[0] : dilation[0], left : left + extent[1] : dilation[1]]
        expected[:, p, q] = np.tensordot(full, patch, axes=3)
    kernel = _window(outs, ins, groups, size, weights, stride, dilation, begin, end)
    assert_close(values(kernel, x), expected)


@algebra
@given(st.data())
def test_shift_pads_crops_and_steps(data: st.DataObject) -> None:
    """Positive amounts pad with zeros, negative ones crop, `step` keeps every step-th position from the first."""
    begin, end = (data.draw(st.tuples(*[st.integers(-2, 2)] * 2)) for _ in range(2))
    step = data.draw(st.one_of(st.none(), st.tuples(*[st.integers(1, 3)] * 2)))
    x = gaussian(2, 6, 5)
    amounts = [(max(b, 0), max(e, 0)) for b, e in zip(begin, end, strict=True)]
    cropped = tuple(slice(max(-b, 0), n - max(-e, 0)) for b, e, n in zip(begin, end, x.shape[1:], strict=True))
    expected = np.pad(x[(slice(None), *cropped)], [(0, 0), *amounts])
    expected = expected[:, :: (step or (1, 1))[0], :: (step or (1, 1))[1]]
    np.testing.assert_array_equal(values(shift(2, begin, end, step), x), expected)


def test_only_a_scale_is_diagonal() -> None:
    """Depthwise, in place, of the same size; each condition is needed."""
    parts: dict[str, Any] = {
        "out_channels": 3,
        "in_channels": 3,
        "groups": 3,
        "offsets": ((0, 0),),
        "stride": (1, 1),
        "size_term": (-1, -1),
        "weights": lambda: np.ones((3, 1, 1)),
    }
    assert Kernel(**parts).is_diagonal
    for change in (
        {"out_channels": 6},
        {"groups": 1},
        {"offsets": ((0, 1),)},
        {"offsets": ((0, 0), (0, 1))},
        {"stride": (1, 2)},
        {"size_term": (-1, 0)},
    ):
        assert not Kernel(**{**parts, **change}).is_diagonal


offsets_and_terms = st.integers(1, 2).flatmap(
    lambda rank: st.tuples(
        st.lists(st.tuples(*[st.integers(-4, 5)] * rank), min_size=1, max_size=5, unique=True),
        st.tuples(*[st.integers(-6, 6)] * rank),
    )
)


@algebra
@given(offsets_and_terms)
def test_an_enclosing_window_is_a_legal_convolution(drawn: tuple[list[tuple[int, ...]], tuple[int, ...]]) -> None:
    """Its pads are not negative, it gives the wanted size for every n, and each offset is one of its taps."""
    offsets, terms = drawn
    found = enclosing_window(offsets, terms)
    geometry = zip(*vars(found).values(), terms, strict=True)
    for size, begin, step, pad_begin, pad_end, term in geometry:
        assert size >= 1
        assert step >= 1
        assert pad_begin == -begin >= 0
        assert pad_end >= 0
        assert pad_begin + pad_end - step * (size - 1) - 1 == term
    taps = product(*(range(b, b + d * k, d) for k, b, d in zip(found.shape, found.begin, found.dilation, strict=True)))
    assert set(offsets) <= set(taps)


@algebra
@given(offsets_and_terms)
def test_an_enclosing_window_is_no_larger_than_it_must_be(
    drawn: tuple[list[tuple[int, ...]], tuple[int, ...]],
) -> None:
    """It begins at the first offset, or at 0 before it, ends as early, and no larger dilation would do."""
    offsets, terms = drawn
    found = enclosing_window(offsets, terms)
    for dim, term in enumerate(terms):
        along = {offset[dim] for offset in offsets}
        begin, end = found.begin[dim], found.begin[dim] + found.dilation[dim] * (found.shape[dim] - 1)
        assert begin == min(0, *along)
        assert end == max(-term - 1, *along)
        for step in range(found.dilation[dim] + 1, end - begin + 1):
            assert not along | {end} <= set(range(begin, end + 1, step))


def test_the_window_of_a_dilated_kernel_stays_dilated() -> None:
    """Three taps at distance 2; two at distance 4; and five once a tap between them is there."""
    assert enclosing_window([(-2,), (0,), (2,)], (-1,)) == Window((3,), (-2,), (2,), (2,), (2,))
    assert enclosing_window([(-2,), (2,)], (-1,)) == Window((2,), (-2,), (4,), (2,), (2,))
    assert enclosing_window([(-2,), (1,), (2,)], (-1,)) == Window((5,), (-2,), (1,), (2,), (2,))


@algebra
@given(ranks, st.integers(1, 3), st.data())
def test_merged_weights_are_the_sum(rank: int, count: int, data: st.DataObject) -> None:
    """One convolution with the merged weights gives the sum of the kernels, and counts as many multiply-adds."""
    ins, outs = data.draw(st.sampled_from(CHANNELS)), data.draw(st.sampled_from(CHANNELS))
    stride = data.draw(st.tuples(*[st.integers(1, 2)] * rank))
    terms = data.draw(st.tuples(*[st.integers(-2, 2)] * rank))
    drawn = [
        data.draw(kernels(rank=rank, in_channels=ins, out_channels=outs, stride=stride, size_term=terms))
        for _ in range(count)
    ]
    into = enclosing_window([offset for kernel in drawn for offset in kernel.offsets], terms)
    weights, groups = merged_weights(drawn, into)
    assert weights.shape == (outs, ins // groups, *into.shape)
    assert weights.size == multiply_adds(drawn)
    geometry = (stride, into.dilation, into.pads_begin, into.pads_end)
    merged = _window(outs, ins, groups, into.shape, weights, *geometry)
    x = gaussian(ins, *[7] * rank)
    assert_close(values(merged, x), np.sum([values(kernel, x) for kernel in drawn], axis=0))


def test_extents() -> None:
    """lowest and highest are those of one dimension."""
    kernel = Kernel(1, 1, 1, ((-1, 5), (2, -4)), (1, 1), (0, 0), lambda: np.ones((1, 1, 2)))
    assert [(kernel.lowest(dim), kernel.highest(dim)) for dim in (0, 1)] == [(-1, 2), (-4, 5)]
    with pytest.raises(IndexError):
        kernel.lowest(2)

"""When two kernels are one: the decision against both evaluated by their definition, borders included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from graphmorph.affine.exactness import border_disagreement
from graphmorph.affine.form import Form, Term
from graphmorph.affine.kernel import Float64, Kernel, compose, tap_sum
from tests.graphmorph.affine.dense_kernels import Array, assert_close, gaussian, kernels, values

algebra = settings(deadline=None, database=None, derandomize=True, max_examples=300)
SIZES = range(1, 11)


def _form(inner: Kernel, bias: Float64 | None, size: tuple[int | None, ...]) -> Form:
    return Form((Term("x", inner),), bias, inner.out_channels, "first", size)


def _one_after_the_other(outer: Kernel, inner: Kernel, x: Array, bias: Array, outside: Array) -> Array:
    middle = values(inner, x)
    return values(outer, middle + bias.reshape(-1, *[1] * inner.rank), outside)


def _as_one(outer: Kernel, inner: Kernel, x: Array, bias: Array) -> Array:
    whole = values(compose(outer, inner), x)
    return whole + tap_sum(outer.weights(), outer.groups, bias).reshape(-1, *[1] * inner.rank)


def _draw(draw: Callable[[Any], Any], rank: int) -> tuple[Kernel, Kernel, Array, Array]:
    inner = draw(kernels(rank=rank, in_channels=2, out_channels=draw(st.sampled_from([1, 2]))))
    outer = draw(kernels(rank=rank, in_channels=inner.out_channels, out_channels=2))
    bias = draw(st.sampled_from([0.0, 1.0])) * gaussian(inner.out_channels, seed=7)
    outside = draw(st.sampled_from([bias, np.zeros_like(bias), bias + 0.5]))
    return outer, inner, bias, outside


def _has_elements(*kernels_and_sizes: tuple[int | None, ...]) -> bool:
    return all(n is not None and n > 0 for size in kernels_and_sizes for n in size)


@algebra
@given(st.integers(1, 2), st.data())
def test_static_sizes_that_are_said_to_agree_do(rank: int, data: st.DataObject) -> None:
    """At the size that was asked about."""
    outer, inner, bias, outside = _draw(data.draw, rank)
    shape = data.draw(st.tuples(*[st.integers(1, 8)] * rank))
    middle = inner.size(shape)
    assume(_has_elements(middle, outer.size(middle)))
    if border_disagreement(outer, inner, _form(inner, bias, middle), outside, "x") is None:
        x = gaussian(2, *shape)
        found, expected = _as_one(outer, inner, x, bias), _one_after_the_other(outer, inner, x, bias, outside)
        assert_close(found, expected, atol=1e-10)


@settings(algebra, max_examples=120)
@given(st.data())
def test_unknown_sizes_that_are_said_to_agree_do(data: st.DataObject) -> None:
    """At every size at which no tensor is empty."""
    outer, inner, bias, outside = _draw(data.draw, 1)
    assume(border_disagreement(outer, inner, _form(inner, bias, (None,)), outside, "x") is None)
    for n in SIZES:
        middle = inner.size((n,))
        if _has_elements(middle, outer.size(middle)):
            x = gaussian(2, n)
            found, expected = _as_one(outer, inner, x, bias), _one_after_the_other(outer, inner, x, bias, outside)
            assert_close(found, expected, atol=1e-10)


def _row(taps: int, first: int, size_term: int, seed: int) -> Kernel:
    weights = gaussian(1, 1, taps, seed=seed)
    return Kernel(1, 1, 1, tuple((first + t,) for t in range(taps)), (1,), (size_term,), lambda: weights)


@algebra
@given(st.tuples(*[st.tuples(st.integers(1, 3), st.integers(-3, 2), st.integers(-3, 2))] * 2), st.booleans())
def test_refusals_of_dense_rows_are_needed(drawn: tuple[tuple[int, int, int], ...], biased: bool) -> None:
    """For dense taps of stride 1 the condition is exact: what is refused is wrong at a size of 12."""
    outer, inner = _row(*drawn[0], seed=1), _row(*drawn[1], seed=2)
    bias = np.array([0.5 if biased else 0.0])
    middle = inner.size((12,))
    if border_disagreement(outer, inner, _form(inner, bias, middle), 0.0, "x") is not None:
        x = gaussian(1, 12)
        found = _as_one(outer, inner, x, bias)
        assert np.max(np.abs(found - _one_after_the_other(outer, inner, x, bias, np.zeros(1)))) > 1e-6


@pytest.mark.parametrize(
    ("size_term", "stride", "n", "reads_on"),
    [(-1, 2, 5, True), (-1, 2, 4, False), (-1, 2, None, True), (-2, 2, None, False), (-2, 1, 5, False)],
)
def test_reading_past_the_end(size_term: int, stride: int, n: int | None, reads_on: bool) -> None:
    """Two taps over a biased tensor: with stride 2 and no crop only a size that is known to be even is safe."""
    outer = Kernel(1, 1, 1, ((0,), (1,)), (stride,), (size_term,), lambda: np.ones((1, 1, 2)))
    inner = _row(1, 0, -1, seed=1)
    problem = border_disagreement(outer, inner, _form(inner, np.ones(1), (n,)), 0.0, "x")
    assert (problem is not None) == reads_on


def test_reasons() -> None:
    """Each names the condition that failed, and the tensor that is looked past."""
    outer, point, wide = _row(3, -1, 1, seed=1), _row(1, 0, -1, seed=2), _row(3, -1, -1, seed=3)
    biased = border_disagreement(outer, point, _form(point, np.ones(1), (8,)), 0.0, "x")
    start = border_disagreement(outer, wide, _form(wide, None, (8,)), 0.0, "x")
    late = _row(2, -1, -1, seed=4)
    end = border_disagreement(outer, late, _form(late, None, (8,)), 0.0, "x")
    assert biased is not None
    assert "bias is not the padding value" in biased
    assert start is not None
    assert "past the start of x" in start
    assert end is not None
    assert "past the end of x" in end

"""Blocks of a reshape, and the ids along a factor of an axis."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.channels.factors import Block, Span, aligned


def test_axes_of_one_size_are_not_in_any_block() -> None:
    (first, second) = aligned((1, 6, 1, 4), (6, 4, 1)) or []
    assert first == Block((6,), (Span(1, 0, 1),), (Span(0, 0, 1),))
    assert second == Block((4,), (Span(3, 0, 1),), (Span(1, 0, 1),))


def test_common_factors_of_a_group_normalisation() -> None:
    """(C, HW) -> (G, K HW): G, K and HW."""
    (block,) = aligned((12, 10), (4, 30)) or []
    assert block.factors == (4, 3, 10)
    assert block.inputs == (Span(0, 0, 2), Span(1, 2, 3))
    assert block.outputs == (Span(0, 0, 1), Span(1, 1, 3))


def test_sizes_without_common_factors_have_none() -> None:
    (block,) = aligned((4, 6), (6, 4)) or []
    assert block.factors == ()


def test_sizes_that_do_not_fit_are_refused() -> None:
    assert aligned((2, 3), (7,)) is None
    assert aligned((0, 3), (0,)) is None


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_ids_along_a_factor_are_those_of_the_reshaped_axis(factors: list[int], random: object) -> None:
    """Against numpy: the elements whose index has the value i at the factor are those of `along(...)[i]`."""
    sizes = tuple(size for size in factors if size > 1) or (2,)
    block = Block(sizes, (Span(0, 0, len(sizes)),), ())
    ids = np.arange(prod(sizes), dtype=np.int64) + 1
    indices = np.indices(sizes).reshape(len(sizes), -1)
    for factor, size in enumerate(sizes):
        along = block.along(ids, block.inputs[0], factor)
        assert along.shape[0] == size
        for index in range(size):
            assert set(along[index]) == set(ids[indices[factor] == index])
        spread = block.spread(np.arange(size, dtype=np.int64), block.inputs[0], factor)
        np.testing.assert_array_equal(spread, indices[factor])


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_blocks_hold_every_axis_once_and_equal_products(factors: list[int], data: st.DataObject) -> None:
    def merged() -> tuple[int, ...]:
        sizes = [1]
        for factor in factors:
            if data.draw(st.booleans()):
                sizes.append(factor)
            else:
                sizes[-1] *= factor
        return tuple(sizes)

    given_sizes, wanted = merged(), merged()
    blocks = aligned(given_sizes, wanted)
    assert blocks is not None
    for sizes, sides in ((given_sizes, [b.inputs for b in blocks]), (wanted, [b.outputs for b in blocks])):
        assert [span.axis for side in sides for span in side] == [i for i, size in enumerate(sizes) if size > 1]
    for block in blocks:
        products = [
            prod(s[span.axis] for span in side) for s, side in ((given_sizes, block.inputs), (wanted, block.outputs))
        ]
        assert products[0] == products[1]
        if block.factors:
            assert prod(block.factors) == products[0]
            assert all(block.size(span) == given_sizes[span.axis] for span in block.inputs)

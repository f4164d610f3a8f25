"""The feature maps that a layer keeps: all, or the same ones whoever sees them and in whatever batches."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from graphmorph.errors import UsageError
from graphmorph.training.adapnet.feature_buffer import FeatureBuffer

RNG = np.random.default_rng(0)
MAPS = RNG.normal(size=(20, 3, 4, 5)).astype(np.float32)


def filled(points: int | None, cuts: list[int], maps: NDArray[np.float32] = MAPS, seed: int = 0) -> FeatureBuffer:
    buffer = FeatureBuffer(3, points=points, seed=seed)
    for begin, end in zip([0, *cuts], [*cuts, len(maps)], strict=True):
        buffer.add(maps[begin:end], begin)
    return buffer


def test_without_a_bound_everything_is_kept() -> None:
    owners, maps = filled(None, [7]).content()
    assert np.bincount(owners).tolist() == [20, 20, 20]
    for one in range(3):
        kept = {m.tobytes() for m in maps[owners == one]}
        assert kept == {m.tobytes() for m in MAPS[:, one]}


@given(st.lists(st.integers(1, 19), max_size=4, unique=True).map(sorted), st.integers(1, 70))
def test_batches_do_not_matter(cuts: list[int], points: int) -> None:
    owners, maps = filled(points, cuts).content()
    whole_owners, whole_maps = filled(points, []).content()
    assert np.array_equal(owners, whole_owners)
    assert np.array_equal(maps, whole_maps)
    assert np.bincount(owners).tolist() == [min(20, max(1, points // 3))] * 3


def test_no_more_is_in_memory_than_is_kept() -> None:
    buffer = FeatureBuffer(3, points=6)
    for begin in range(0, 20, 2):
        buffer.add(MAPS[begin : begin + 2], begin)
        assert sum(len(one) for one in buffer._maps) <= 6


@given(st.integers(1, 70), st.integers(1, 19))
def test_workers_keep_together_what_one_had_kept(points: int, cut: int) -> None:
    first, second = FeatureBuffer(3, points=points), FeatureBuffer(3, points=points)
    first.add(MAPS[:cut], 0)
    second.add(MAPS[cut:], cut)
    second.merge(first)
    assert np.array_equal(second.content()[1], filled(points, []).content()[1])


def test_the_seed_decides_and_every_sample_has_its_chance() -> None:
    kept = [filled(3, [], seed=seed).content()[1] for seed in range(200)]
    places = [next(i for i in range(20) if np.array_equal(MAPS[i, 0], one[0])) for one in kept]
    assert len(set(places)) == 20
    assert np.array_equal(kept[5], filled(3, [4, 9], seed=5).content()[1])


def test_a_map_of_zeros_is_not_kept() -> None:
    maps = MAPS.copy()
    maps[:, 1] = 0
    maps[3, 0] = 0
    assert np.bincount(filled(None, [], maps).content()[0]).tolist() == [19, 0, 20]
    assert np.bincount(filled(30, [], maps).content()[0]).tolist() == [10, 0, 10]


def test_large_maps_are_averaged_over_blocks() -> None:
    buffer = FeatureBuffer(1, side=2)
    buffer.add(np.arange(24.0).reshape(1, 1, 4, 6), 0)
    assert buffer.content()[1][0].tolist() == [[4.0, 7.0], [16.0, 19.0]]
    uneven = FeatureBuffer(1, side=2)
    uneven.add(np.array([[[[1.0, 2.0, 6.0]]]]), 0)
    assert uneven.content()[1][0].tolist() == [[1.0, 4.0]]


@pytest.mark.parametrize("points", [None, 12])
def test_a_state_goes_on_as_if_nothing_had_happened(points: int | None) -> None:
    buffer = filled(points, [], MAPS[:8])
    again = FeatureBuffer(3, points=points).restore(buffer.state())
    for one in (buffer, again):
        one.add(MAPS[8:], 8)
    assert np.array_equal(buffer.content()[1], again.content()[1])
    assert np.array_equal(FeatureBuffer(3).restore(FeatureBuffer(2).state()).content()[0], np.zeros(0))


def test_wrong_maps_are_refused() -> None:
    buffer = FeatureBuffer(3)
    with pytest.raises(UsageError, match=re.escape("(20, 12): (samples, 3, height, width) is needed")):
        buffer.add(np.zeros((20, 12)), 0)
    with pytest.raises(UsageError, match="not finite"):
        buffer.add(np.full((1, 3, 2, 2), np.nan), 0)
    buffer.add(MAPS, 0)
    with pytest.raises(UsageError, match=re.escape("of (2, 2) after some of (4, 5)")):
        buffer.add(np.ones((1, 3, 2, 2)), 20)
    with pytest.raises(UsageError, match="3 and 4 filters do not add up"):
        buffer.merge(FeatureBuffer(4))

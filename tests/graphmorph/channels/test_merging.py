"""Which pairs are merged: arrays only."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.channels.merging import alike


@given(st.integers(2, 12), st.integers(0, 2**32 - 1), st.floats(-1, 1), st.floats(0, 1))
def test_pairs_are_above_and_below_and_nothing_is_left(units: int, seed: int, above: float, below: float) -> None:
    random = np.random.default_rng(seed)
    similarity, distance = (one + one.T for one in random.uniform(-0.5, 0.5, (2, units, units)))
    distance = np.abs(distance)
    pairs = alike(similarity, distance, above=above, below=below)
    taken = [unit for pair in pairs for unit in (pair.first, pair.second)]
    assert len(taken) == len(set(taken))
    assert all(pair.first < pair.second and pair.similarity > above and pair.distance < below for pair in pairs)
    assert [pair.similarity for pair in pairs] == sorted((pair.similarity for pair in pairs), reverse=True)
    left = [unit for unit in range(units) if unit not in taken]
    assert not [(i, j) for i in left for j in left if i < j and similarity[i, j] > above and distance[i, j] < below]


def test_the_most_similar_pair_comes_first() -> None:
    similarity = np.array([[1.0, 0.8, 0.7], [0.8, 1.0, 0.9], [0.7, 0.9, 1.0]])
    (pair,) = alike(similarity, np.zeros((3, 3)), above=0.5, below=0.1)
    assert (pair.first, pair.second, pair.similarity) == (1, 2, 0.9)

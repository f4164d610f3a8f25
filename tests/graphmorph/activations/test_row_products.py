"""Products of rows that wait for a block, against numpy on all rows at once."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.activations.row_products import RowProducts


@given(st.lists(st.integers(0, 1500), max_size=6), st.integers(0, 2**32 - 1))
def test_batches_of_any_size_add_up(counts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    gram, cross = RowProducts(3), RowProducts(3, 2)
    rows, outputs = np.zeros((0, 3)), np.zeros((0, 2))
    for count in counts:
        a, o = rng.standard_normal((count, 3)), rng.standard_normal((count, 2))
        rows, outputs = np.concatenate([rows, a]), np.concatenate([outputs, o])
        gram.add(a)
        cross.add(a, o)
        a += 1  # what was added is not looked at again
    np.testing.assert_allclose(gram.total, rows.T @ rows, atol=1e-9)
    np.testing.assert_allclose(cross.total, rows.T @ outputs, atol=1e-9)


def test_looking_does_not_count_twice() -> None:
    sums = RowProducts(2)
    sums.add(np.ones((3, 2)))
    for _ in range(2):
        assert sums.total.tolist() == [[3, 3], [3, 3]]
    sums.add(np.ones((1, 2)))
    assert pickle.loads(pickle.dumps(sums)).total.tolist() == [[4, 4], [4, 4]]
    sums.total = np.zeros((2, 2))
    assert sums.total.tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("columns", [1, 1 << 20])
def test_the_block_is_bounded(columns: int) -> None:
    sums = RowProducts(1, columns)
    sums.add(np.ones((1, 1)), np.ones((1, columns)))
    assert sums.total.sum() == columns
    assert len(pickle.dumps(sums)) < 8 * columns + 2000

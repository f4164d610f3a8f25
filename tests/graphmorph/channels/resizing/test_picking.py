"""Gather: indices into what loses elements, and indices that go with what they pick."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.runtime import Runtime
from tests.graphmorph.channels.removed_text import assert_equals_masked, removed
from tests.passes.text_models import Weight, build

TEXT = """g (float[N,4] x) => (float[N,5] y) {
    a = MatMul(x, w)
    m = Mul(a, k)
    b = Gather<axis=1>(m, i)
    y = MatMul(b, v)
}"""


@pytest.mark.parametrize(
    ("indices", "expected"),
    [([5, 4, 3, 2, 1, 0], [3, 2, 1, 0]), ([0, -1, 3], [0, 3, 2]), ([2, 2, 1, 0], [1, 1, 0])],
)
def test_indices_count_what_is_kept(runtime: Runtime, indices: list[int], expected: list[int]) -> None:
    """1 and 4 go, and with them the places that pick them."""
    weights: dict[str, Weight] = {
        "w": (4, 6),
        "k": np.ones(6),
        "v": (len(indices), 5),
        "i": np.array(indices, np.int32),
    }
    result = removed(build(TEXT, weights), runtime, [1, 4])
    assert_equals_masked(result, {"x": (3, 4)})
    assert result.read_by("b", 1) == expected
    assert result.node("b").inputs[1].name == "i"
    assert result.node("b").inputs[1].dtype == np.int32


def test_one_element_that_is_picked(runtime: Runtime) -> None:
    """Element 4, as a scalar and as a vector of one, while others go."""
    text = """g (float[N,4] x) => (float[N] y, float[N,1] z, float[N,5] t) {
        a = MatMul(x, w)
        m = Mul(a, k)
        y = Gather<axis=1>(m, scalar)
        z = Gather<axis=1>(m, vector)
        t = MatMul(m, v)
    }"""
    weights: dict[str, Weight] = {
        "w": (4, 6),
        "k": np.ones(6),
        "v": (6, 5),
        "scalar": np.array(4),
        "vector": np.array([-2]),
    }
    result = removed(build(text, weights), runtime, [1, 3])
    assert_equals_masked(result, {"x": (3, 4)})
    assert (result.read_by("y", 1), result.read_by("z", 1)) == ([2], [2])
    assert result.node("y").inputs[1].shape == ()


def test_an_embedding_loses_columns(runtime: Runtime) -> None:
    text = """g (int64[N,T] x) => (float[N,T,5] y) {
        e = Gather(table, x)
        m = Mul(e, k)
        y = MatMul(m, v)
    }"""
    result = removed(build(text, {"table": (7, 6), "k": np.ones(6), "v": (6, 5)}), runtime, [0, 5])
    assert_equals_masked(result, {"x": (2, 3)})

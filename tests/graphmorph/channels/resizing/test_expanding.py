"""Expand: constant and computed sizes."""

from __future__ import annotations

import numpy as np

from graphmorph.runtime import Runtime
from tests.graphmorph.channels.removed_text import assert_equals_masked, removed
from tests.passes.text_models import Weight, build


def test_a_constant_that_is_expanded_to_the_batch(runtime: Runtime) -> None:
    """A class token that is expanded beside the batch, and to channels that go."""
    text = """g (float[3,4] x) => (float[3,5] y) {
        a = MatMul(x, w)
        token = Expand(b, shape)
        s = Add(a, token)
        m = Mul(s, k)
        y = MatMul(m, v)
    }"""
    weights: dict[str, Weight] = {"w": (4, 6), "b": (1, 6), "shape": np.array([3, 1]), "k": np.ones(6), "v": (6, 5)}
    result = removed(build(text, weights), runtime, [2])
    assert_equals_masked(result, {"x": (3, 4)})
    assert result.read_by("token", 1) == [3, 1]
    weights["shape"] = np.array([3, 6])
    result = removed(build(text, weights), runtime, [2])
    assert_equals_masked(result, {"x": (3, 4)})
    assert result.read_by("token", 1) == [3, 5]


def test_sizes_that_are_fewer_than_axes(runtime: Runtime) -> None:
    text = """g (float[3,2,4] x) => (float[3,2,5] y) {
        a = MatMul(x, w)
        e = Expand(a, shape)
        m = Mul(e, k)
        y = MatMul(m, v)
    }"""
    weights: dict[str, Weight] = {"w": (4, 6), "shape": np.array([6]), "k": np.ones(6), "v": (6, 5)}
    result = removed(build(text, weights), runtime, [2, 4])
    assert_equals_masked(result, {"x": (3, 2, 4)})
    assert result.read_by("e", 1) == [4]


def test_one_value_that_is_expanded_to_channels(runtime: Runtime) -> None:
    text = """g (float[N,4] x) => (float[N,5] y) {
        a = MatMul(x, w)
        e = Expand(b, shape)
        s = Add(a, e)
        m = Mul(s, k)
        y = MatMul(m, v)
    }"""
    weights: dict[str, Weight] = {"w": (4, 6), "b": (1,), "shape": np.array([6]), "k": np.ones(6), "v": (6, 5)}
    result = removed(build(text, weights), runtime, [0, 5])
    assert_equals_masked(result, {"x": (2, 4)})
    assert result.read_by("e", 1) == [4]


def test_computed_sizes(runtime: Runtime) -> None:
    """The batch is read from the input, the channels are written down: where they are, and nobody else reads them."""
    result = removed(build(COMPUTED.format(other="Identity(s)"), COMPUTED_WEIGHTS), runtime, [1, 2])
    assert_equals_masked(result, {"x": (2, 4)}, {"x": (1, 4)})
    assert result.read_by("target", 1) == [4]
    result = removed(build(COMPUTED.format(other="Expand(s, target)"), COMPUTED_WEIGHTS), runtime, [1, 2])
    assert_equals_masked(result, {"x": (2, 4)}, {"x": (1, 4)})
    assert result.read_by("target", 1) == [6]
    assert result.node("token").inputs[1].inputs[0].op == "Where"


COMPUTED = """g (float[N,4] x) => (float[N,5] y) {{
    a = MatMul(x, w)
    shape = Shape(x)
    n = Slice(shape, i0, i1)
    target = Concat<axis=0>(n, c)
    token = Expand(b, target)
    s = Add(a, token)
    o = {other}
    m = Mul(o, k)
    y = MatMul(m, v)
}}"""
COMPUTED_WEIGHTS: dict[str, Weight] = {
    "w": (4, 6),
    "b": (1, 6),
    "c": np.array([6]),
    "k": np.ones(6),
    "v": (6, 5),
    "i0": np.array([0]),
    "i1": np.array([1]),
}

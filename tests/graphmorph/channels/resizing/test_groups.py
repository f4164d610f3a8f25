"""Attributes that count groups, heads and hidden units."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.runtime import Runtime
from tests.graphmorph.channels.removed_text import assert_equals_masked, constants_of, removed
from tests.passes.text_models import Weight, build


def test_depthwise_groups_are_channels(runtime: Runtime) -> None:
    text = """g (float[N,4,5,5] x) => (float[N,3,5,5] y) {
        a = Conv(x, w)
        d = Conv<group=6, pads=[1,1,1,1]>(a, u)
        m = Mul(d, k)
        y = Conv(m, v)
    }"""
    weights: dict[str, Weight] = {"w": (6, 4, 1, 1), "u": (6, 1, 3, 3), "k": np.ones((6, 1, 1)), "v": (3, 6, 1, 1)}
    result = removed(build(text, weights), runtime, [1, 2])
    assert_equals_masked(result, {"x": (2, 4, 5, 5)})
    assert result.node("d").attrs["group"] == 4


def test_the_same_channels_of_every_group(runtime: Runtime) -> None:
    """3 groups of 2 inputs and 4 outputs: each loses its second output, and the number of groups stays."""
    text = """g (float[N,4,5,5] x) => (float[N,3,5,5] y) {
        a = Conv(x, w)
        g = Conv<group=3>(a, u)
        m = Mul(g, k)
        y = Conv(m, v)
    }"""
    weights: dict[str, Weight] = {"w": (6, 4, 1, 1), "u": (12, 2, 1, 1), "k": np.ones((12, 1, 1)), "v": (3, 12, 1, 1)}
    result = removed(build(text, weights), runtime, [1, 5, 9])
    assert_equals_masked(result, {"x": (2, 4, 5, 5)})
    assert result.node("g").attrs["group"] == 3
    assert constants_of(result.after)["u"].shape == (9, 2, 1, 1)


@pytest.mark.parametrize(("group", "places", "left"), [(1, [0, 5], 1), (6, [0, 5], 4)])
def test_transposed_convolutions(runtime: Runtime, group: int, places: list[int], left: int) -> None:
    text = f"""g (float[N,4,5,5] x) => (float[N,3,H,W] y) {{
        a = Conv(x, w)
        t = ConvTranspose<strides=[2,2], group={group}>(a, u)
        m = Mul(t, k)
        y = Conv(m, v)
    }}"""
    weights: dict[str, Weight] = {
        "w": (6, 4, 1, 1),
        "u": (6, 6 // group, 2, 2),
        "k": np.ones((6, 1, 1)),
        "v": (3, 6, 1, 1),
    }
    result = removed(build(text, weights), runtime, places)
    assert_equals_masked(result, {"x": (2, 4, 5, 5)})
    assert result.node("t").attrs["group"] == left


def test_group_normalisation_loses_whole_groups(runtime: Runtime) -> None:
    text = """g (float[N,4,5,5] x) => (float[N,3,5,5] y) {
        a = Conv(x, w)
        n = GroupNormalization<num_groups=4>(a, s, b)
        m = Mul(n, k)
        y = Conv(m, v)
    }"""
    weights: dict[str, Weight] = {"w": (8, 4, 1, 1), "s": (8,), "b": (8,), "k": np.ones((8, 1, 1)), "v": (3, 8, 1, 1)}
    result = removed(build(text, weights, opset=21, ir=10), runtime, [2, 3, 6, 7])
    assert_equals_masked(result, {"x": (2, 4, 5, 5)})
    assert result.node("n").attrs["num_groups"] == 2


@pytest.mark.parametrize(("op", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_hidden_units(runtime: Runtime, op: str, gates: int) -> None:
    text = f"""g (float[T,N,4] x) => (float[T,N,3] y) {{
        h = {op}<hidden_size=6>(x, w, r, b)
        q = Squeeze(h, one)
        m = Mul(q, k)
        y = MatMul(m, v)
    }}"""
    weights: dict[str, Weight] = {
        "w": (1, 6 * gates, 4),
        "r": (1, 6 * gates, 6),
        "b": (1, 12 * gates),
        "one": np.array([1]),
        "k": np.ones(6),
        "v": (6, 3),
    }
    model = build(text, weights)
    result = removed(model, runtime, [2, 5])
    assert result.node("h").attrs["hidden_size"] == 4
    shapes = {name: values.shape for name, values in constants_of(result.after).items()}
    assert shapes["w"] == (1, 4 * gates, 4)
    assert shapes["r"] == (1, 4 * gates, 4)
    assert shapes["b"] == (1, 8 * gates)

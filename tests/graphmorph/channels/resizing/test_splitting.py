"""Split: sizes of parts, by opset."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.runtime import Runtime
from tests.graphmorph.channels.removed_text import Removed, assert_equals_masked, removed
from tests.passes.text_models import Weight, build

TEXT = """g (float[N,4] x) => (float[N,5] y) {{
    a = MatMul(x, w)
    m = Mul(a, k)
    b, c = {split}
    d = MatMul(b, v)
    e = MatMul(c, u)
    y = Add(d, e)
}}"""
WEIGHTS: dict[str, Weight] = {"w": (4, 8), "k": np.ones(8), "v": (4, 5), "u": (4, 5)}


def split(runtime: Runtime, opset: int, text: str, places: list[int], **more: Weight) -> Removed:
    result = removed(build(TEXT.format(split=text), {**WEIGHTS, **more}, opset=opset), runtime, places)
    assert_equals_masked(result, {"x": (3, 4)})
    return result


@pytest.mark.parametrize("text", ["Split<axis=1>(m)", "Split<axis=-1, split=[4,4]>(m)"])
def test_parts_are_an_attribute_before_opset_13(runtime: Runtime, text: str) -> None:
    assert split(runtime, 11, text, [0, 5, 6]).node("b").attrs["split"] == [3, 2]


def test_parts_are_an_input_since(runtime: Runtime) -> None:
    parts = np.array([4, 4])
    assert split(runtime, 17, "Split<axis=1>(m, p)", [5, 6], p=parts).read_by("b", 1) == [4, 2]
    assert split(runtime, 17, "Split<axis=1>(m)", [5, 6]).read_by("b", 1) == [4, 2]


def test_a_number_of_parts_becomes_their_sizes(runtime: Runtime) -> None:
    result = split(runtime, 18, "Split<axis=1, num_outputs=2>(m)", [0, 1])
    assert result.read_by("b", 1) == [2, 4]
    assert "num_outputs" not in result.node("b").attrs


def test_equal_parts_stay_unsaid(runtime: Runtime) -> None:
    result = split(runtime, 18, "Split<axis=1, num_outputs=2>(m)", [0, 6])
    assert len(result.node("b").inputs) == 1
    assert result.node("b").attrs["num_outputs"] == 2
    assert "split" not in split(runtime, 11, "Split<axis=1>(m)", [0, 6]).node("b").attrs


def test_another_axis_loses_elements(runtime: Runtime) -> None:
    text = """g (float[2,4] x) => (float[1,5] y) {
        a = MatMul(x, w)
        m = Mul(a, k)
        b, c = Split<axis=0>(m)
        s = Add(b, c)
        y = MatMul(s, v)
    }"""
    result = removed(build(text, WEIGHTS | {"v": (8, 5)}), runtime, [3])
    assert_equals_masked(result, {"x": (2, 4)})
    assert len(result.node("b").inputs) == 1

"""Pad, Resize, Squeeze: the sizes that they state."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.runtime import Runtime
from tests.graphmorph.channels.removed_text import assert_equals_masked, removed
from tests.passes.text_models import Weight, build

PAD = """g (float[N,4,5,5] x) => (float[N,3,5,5] y) {{
    a = Conv(x, w)
    b = Conv(x, u)
    p = {pad}
    s = Add(b, p)
    m = Mul(s, k)
    y = Conv(m, v)
}}"""
PADDED: dict[str, Weight] = {"w": (4, 4, 1, 1), "u": (8, 4, 1, 1), "k": np.ones((8, 1, 1)), "v": (3, 8, 1, 1)}


def test_zeros_that_are_added_to_channels_go_with_them(runtime: Runtime) -> None:
    """The shortcut of a CIFAR residual network: 1, 4 channels and 3 of zeros before and behind."""
    text = PAD.format(pad="Pad(a, pads)")
    pads = np.array([0, 1, 0, 0, 0, 3, 0, 0])
    result = removed(build(text, {**PADDED, "pads": pads}), runtime, [2, 6, 7])
    assert_equals_masked(result, {"x": (2, 4, 5, 5)})
    assert result.read_by("p", 1) == [0, 1, 0, 0, 0, 1, 0, 0]


def test_pads_are_an_attribute_before_opset_11(runtime: Runtime) -> None:
    text = PAD.format(pad="Pad<pads=[0,4,0,0,0,0,0,0]>(a)")
    result = removed(build(text, PADDED, opset=9), runtime, [1, 4])
    assert_equals_masked(result, {"x": (2, 4, 5, 5)})
    assert result.node("p").attrs["pads"] == [0, 3, 0, 0, 0, 0, 0, 0]


def test_pads_of_some_axes(runtime: Runtime) -> None:
    text = PAD.format(pad="Pad(a, pads, , axes)")
    result = removed(
        build(text, {**PADDED, "pads": np.array([0, 4]), "axes": np.array([-3])}, opset=18), runtime, [1, 4]
    )
    assert_equals_masked(result, {"x": (2, 4, 5, 5)})
    assert result.read_by("p", 1) == [0, 3]


RESIZE = """g (float[N,4,H,W] x) => (float[N,3,I,J] y) {{
    a = Conv(x, w)
    r = {resize}
    m = Mul(r, k)
    y = Conv(m, v)
}}"""
RESIZED: dict[str, Weight] = {"w": (6, 4, 1, 1), "k": np.ones((6, 1, 1)), "v": (3, 6, 1, 1)}


@pytest.mark.parametrize("opset", [9, 10, 17])
def test_scales_stay(runtime: Runtime, opset: int) -> None:
    resize = {9: "Upsample(a, scales)", 10: "Resize(a, scales)", 17: "Resize(a, , scales)"}[opset]
    weights: dict[str, Weight] = {**RESIZED, "scales": np.array([1.0, 1.0, 2.0, 2.0])}
    result = removed(build(RESIZE.format(resize=resize), weights, opset=opset), runtime, [0, 3])
    assert_equals_masked(result, {"x": (2, 4, 3, 5)})
    assert "scales" in [tensor.name for tensor in result.node("r").inputs]


def test_sizes_follow(runtime: Runtime) -> None:
    text = RESIZE.format(resize="Resize(a, , , sizes)").replace("[N,4,H,W]", "[2,4,3,5]")
    result = removed(build(text, {**RESIZED, "sizes": np.array([2, 6, 6, 10])}), runtime, [0, 3])
    assert_equals_masked(result, {"x": (2, 4, 3, 5)})
    assert result.read_by("r", 3) == [2, 4, 6, 10]


def test_sizes_of_space_alone_stay(runtime: Runtime) -> None:
    text = RESIZE.format(resize="Resize<axes=[2,3]>(a, , , sizes)")
    result = removed(build(text, {**RESIZED, "sizes": np.array([6, 10])}, opset=18), runtime, [0, 3])
    assert_equals_masked(result, {"x": (2, 4, 3, 5)})
    assert result.read_by("r", 3) == [6, 10]


@pytest.mark.parametrize("opset", [11, 17])
def test_what_comes_down_to_one_element_is_not_squeezed(runtime: Runtime, opset: int) -> None:
    text = """g (float[2,4,5,5] x) => (float[2,3] y) {
        a = Conv(x, w)
        m = Mul(a, k)
        p = GlobalAveragePool(m)
        s = Squeeze(p)
        y = Gemm<transB=1>(s, v)
    }"""
    weights: dict[str, Weight] = {"w": (6, 4, 1, 1), "k": np.ones((6, 1, 1)), "v": (3, 6)}
    result = removed(build(text, weights, opset=opset), runtime, [0, 1, 2, 3, 4])
    assert_equals_masked(result, {"x": (2, 4, 5, 5)})
    axes = result.node("s").attrs["axes"] if opset == 11 else result.read_by("s", 1)
    assert axes == [2, 3]

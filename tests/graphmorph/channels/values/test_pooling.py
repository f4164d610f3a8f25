"""Pooling, resizing, padding and reductions."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graphmorph.channels.values.oracle import check, constants, duplicates
from tests.graphmorph.channels.values.planted import NAN, planted
from tests.passes.text_models import Weight


@pytest.mark.parametrize(
    ("call", "fourth"),
    [
        ("MaxPool<kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2]>(t)", 0.75),
        ("MaxPool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(t)", 0.75),
        ("AveragePool<kernel_shape=[3,3], strides=[2,2]>(t)", 0.75),
        ("AveragePool<kernel_shape=[3,3], pads=[1,1,1,1]>(t)", 0.75),
        ("AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1>(t)", NAN),
        ('AveragePool<kernel_shape=[3,3], auto_pad="SAME_UPPER", count_include_pad=1>(t)', NAN),
        ("GlobalAveragePool(t)", 0.75),
        ("GlobalMaxPool(t)", 0.75),
        ("LpPool<kernel_shape=[2,2]>(t)", NAN),
        ("ReduceMean<axes=[2,3]>(t)", 0.75),
        ("ReduceMean<axes=[-1,-2], keepdims=0>(t)", 0.75),
        ("ReduceMax<axes=[2]>(t)", 0.75),
        ("ReduceMin<axes=[2]>(t)", 0.75),
        ("ReduceSum(t, spatial)", 48.0),
        ("ReduceL2<axes=[2,3]>(t)", NAN),
        ("ReduceL1<axes=[2,3]>(t)", NAN),
        ("ReduceSumSquare<axes=[2,3]>(t)", NAN),
        ("ReduceLogSumExp<axes=[2,3]>(t)", NAN),
        ("ReduceProd<axes=[2]>(t)", NAN),
        ('Resize<mode="nearest">(t, , scales)', 0.75),
        ('Resize<mode="linear">(t, , scales)', 0.75),
        ('Resize<mode="linear", coordinate_transformation_mode="align_corners">(t, , , sizes)', 0.75),
        ('Resize<mode="cubic">(t, , scales)', NAN),
        ("Pad(t, pads)", NAN),
        ("Pad(t, pads, value)", 0.75),
        ('Pad<mode="reflect">(t, pads)', 0.75),
        ('Pad<mode="edge">(t, pads)', 0.75),
        ("Pad(t, none)", 0.75),
    ],
)
def test_within_channels(call: str, fourth: float) -> None:
    weights: dict[str, Weight] = {
        "spatial": np.array([2, 3]),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "sizes": np.array([2, 6, 5, 11]),
        "pads": np.array([0, 0, 1, 2, 0, 0, 1, 2]),
        "none": np.zeros(8, np.int64),
        "value": np.array(0.75),
    }
    values = check(planted(f"y = {call}", weights, shape="2,4,8,8"))
    dead_stays = "Log" not in call and "Prod" not in call and "cubic" not in call and "t, pads, v" not in call
    third = constants(values, "y")[2]
    assert third == 0 if dead_stays and "[3,3], ceil_mode" not in call else True
    np.testing.assert_allclose(constants(values, "y")[3], fourth, rtol=1e-6)
    assert duplicates(values, "y")[:1] == [(0, 1)]


def test_windows_beyond_the_edge() -> None:
    """With these strides the last window may hold nothing but padding."""
    text = "y = MaxPool<kernel_shape=[2,2], strides=[3,3], ceil_mode=1>(t)"
    assert np.isnan(check(planted(text, shape="2,4,8,W"), free=8).constant("y")).all()
    assert constants(check(planted(text)), "y")[3] == 0.75  # of eight the last one begins a window of two


def test_a_mean_over_free_axes() -> None:
    """However many elements there are; their sum is not known."""
    weights: dict[str, Weight] = {"spatial": np.array([2, 3])}
    values = check(
        planted("a = GlobalAveragePool(t) b = ReduceSum(t, spatial) y = Mul(a, b)", weights, shape="N,4,H,W"), 8
    )
    assert constants(values, "a")[3] == pytest.approx(0.75)
    assert np.isnan(constants(values, "b")[3])
    assert constants(values, "b")[2] == 0
    assert duplicates(values, "y") == [(0, 1)]


def test_over_channels() -> None:
    """What is reduced over channels is no longer told apart."""
    text = "a = ReduceMax<axes=[1]>(p) s = Sigmoid(a) y = Mul(t, s)"
    values = check(planted(text))
    assert constants(values, "y")[2] == 0
    assert duplicates(values, "y") == [(0, 1)]
    assert (values.low("a") == 0.75).all()


def test_padding_of_channels() -> None:
    """A shortcut that fills up with zeros."""
    weights: dict[str, Weight] = {"pads": np.array([0, 2, 0, 0, 0, 1, 0, 0])}
    values = check(planted("y = Pad(t, pads)", weights))
    np.testing.assert_array_equal(constants(values, "y"), [0, 0, NAN, NAN, 0, 0.75, NAN, NAN, 0])
    assert duplicates(values, "y") == [(2, 3)]


def test_resized_channels_are_no_channels() -> None:
    values = check(planted('y = Resize<mode="nearest">(t, , scales)', {"scales": np.array([1, 1.1, 1, 1], np.float32)}))
    assert np.isnan(values.constant("y")).all()


def test_squeeze_and_excitation() -> None:
    """A gate of its own for every channel: those with equal rows stay duplicates."""
    rng = np.random.default_rng(2)
    up = rng.standard_normal((6, 2, 1, 1))
    up[1] = up[0]
    weights: dict[str, Weight] = {"down": rng.standard_normal((2, 6, 1, 1)), "up": up}
    text = "g = GlobalAveragePool(t) d = Conv(g, down) r = Relu(d) u = Conv(r, up) s = HardSigmoid(u) y = Mul(s, t)"
    values = check(planted(text, weights))
    assert constants(values, "y")[2] == 0
    assert np.isnan(constants(values, "y")[3])
    assert duplicates(values, "y") == [(0, 1)]

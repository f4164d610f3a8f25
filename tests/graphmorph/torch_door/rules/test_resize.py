"""Resizing and grid sampling: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door import trace
from tests.graphmorph.torch_door.calling import calling, check_call, operators, refused, specialised
from tests.graphmorph.torch_door.lowering_check import check_lowering, opaque_reasons
from tests.graphmorph.torch_door.rules.test_layer_norm import drawn

SIZES = {"linear": (2, 3, 6), "bilinear": (2, 3, 5, 6), "bicubic": (2, 3, 5, 6), "trilinear": (2, 3, 4, 5, 6)}
NEAREST = [(mode, sizes) for mode in ("nearest", "nearest-exact") for sizes in dict.fromkeys(SIZES.values())]


@pytest.mark.parametrize(("mode", "sizes"), NEAREST)
@pytest.mark.parametrize("scale", [2, 3.0, 1.5, 0.5])
def test_nearest_modes(mode, sizes, scale):
    graph = check_call(nn.Upsample(scale_factor=scale, mode=mode), drawn(*sizes))
    assert operators(graph) == ["Resize"]
    assert not specialised(graph)
    check_call(nn.Upsample(size=8, mode=mode), drawn(*sizes))


@pytest.mark.parametrize(("mode", "sizes"), SIZES.items())
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("scale", [2, 1.7, 0.6])
def test_linear_and_cubic_modes(mode, sizes, align_corners, scale):
    x = drawn(*sizes)
    graph = check_call(nn.Upsample(scale_factor=scale, mode=mode, align_corners=align_corners), x)
    assert operators(graph) == ["Resize"]
    assert specialised(graph) == (align_corners and scale != 2)
    graph = check_call(nn.Upsample(size=9, mode=mode, align_corners=align_corners), x)
    assert not specialised(graph)
    recomputed = nn.Upsample(scale_factor=scale, mode=mode, align_corners=align_corners, recompute_scale_factor=True)
    assert specialised(check_call(recomputed, x)) == (scale != 2)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.interpolate(x, 7),
        lambda x: F.interpolate(x, scale_factor=(2, 3)),
        lambda x: F.interpolate(x, size=(1, 13), mode="bilinear"),
        lambda x: F.interpolate(x, size=(1, 13), mode="bilinear", align_corners=True),
        lambda x: F.interpolate(input=x, scale_factor=[2.0, 0.5], mode="bicubic", align_corners=False),
        lambda x: F.interpolate(x, scale_factor=0.5, mode="nearest", recompute_scale_factor=True),
    ],
)
def test_functions(function):
    check_call(function, drawn(2, 3, 4, 6))


def test_area_mode_is_adaptive_pooling():
    x = drawn(2, 3, 4, 6)
    assert operators(check_call(lambda x: F.interpolate(x, 1, mode="area"), x)) == ["GlobalAveragePool"]
    halved = check_call(lambda x: F.interpolate(x, scale_factor=0.5, mode="area"), x)
    assert operators(halved) == ["AveragePool"]
    assert specialised(halved)
    assert "windows of different sizes" in refused(lambda x: F.interpolate(x, 3, mode="area"), x)


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_old_modules():
    check_call(nn.UpsamplingNearest2d(scale_factor=2), drawn(2, 3, 4, 6))
    check_call(nn.UpsamplingBilinear2d(size=(7, 5)), drawn(2, 3, 4, 6))


def test_sizes_of_the_traced_shapes_are_specialised():
    x = drawn(2, 3, 4, 6)
    assert specialised(check_call(lambda x: F.interpolate(x, size=(x.size(2) * 2, 12)), x))
    assert specialised(check_call(lambda x: F.interpolate(x, x.shape[-2:], mode="bilinear"), x))
    assert specialised(check_call(lambda x: F.interpolate(x, scale_factor=x.size(2) / 2), x))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 60), st.sampled_from(["nearest", "nearest-exact"]))
def test_every_nearest_size_is_torchs_or_refused(source, target, mode):
    def function(x):
        return F.interpolate(x, target, mode=mode)

    _same_or_refused(function, torch.arange(2.0 * source).reshape(2, 1, source))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.floats(0.05, 6), st.sampled_from(["nearest", "nearest-exact", "linear"]))
def test_every_scale_is_torchs_or_refused(source, scale, mode):
    assume(int(source * scale) > 0)

    def function(x):
        return F.interpolate(x, scale_factor=scale, mode=mode)

    _same_or_refused(function, torch.arange(2.0 * source).reshape(2, 1, source))


def _same_or_refused(function, x):
    reasons = opaque_reasons(trace(calling(function), x))
    if reasons:
        assert "rounding" in reasons[0]
    else:
        check_lowering(calling(function), x, other_batch=False)


def test_a_position_on_the_edge_of_two_elements_is_refused():
    # Element 13 of 46 lies at 13 * 14 / 46 = 3.956..., element 23 at exactly 7, where float32 falls on either side.
    reason = refused(lambda x: F.interpolate(x, 46), drawn(2, 1, 14))
    assert "rounding decides" in reason


def test_a_size_that_rounding_decides_is_refused():
    def function(x):
        return F.interpolate(x, scale_factor=1.4, mode="linear")

    assert function(drawn(2, 1, 5)).shape[2] == 7  # where float32 would give another size
    assert "depending on rounding" in refused(function, drawn(2, 1, 5))


def test_antialiasing_is_refused():
    reason = refused(lambda x: F.interpolate(x, 3, mode="bilinear", antialias=True), drawn(2, 3, 8, 8))
    assert reason == "antialiased resizing"


GRIDS = list(itertools.product(["bilinear", "nearest", "bicubic"], ["zeros", "border", "reflection"], [True, False]))


@pytest.mark.parametrize(("mode", "padding", "align"), GRIDS)
def test_grid_sample(mode, padding, align):
    def function(x, grid):
        return F.grid_sample(x, grid, mode, padding, align)

    x, grid = drawn(2, 3, 5, 6), drawn(2, 4, 7, 2) * 1.5
    if (mode, padding, align) == ("nearest", "reflection", False):
        assert "rounds after it reflects" in refused(function, x, grid)
        return
    assert operators(check_call(function, x, grid, tolerance=1e-4)) == ["GridSample"]
    if mode != "bicubic":
        check_call(function, drawn(2, 3, 4, 5, 6), drawn(2, 3, 4, 5, 3), tolerance=1e-4)

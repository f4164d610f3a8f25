"""Resize, Upsample and GridSample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graphmorph.torch_door.translation.imported import check, refusal

FREE = "g (float[N,C,H,W] x) => (float y)"
NCHW = "g (float[2,3,5,6] x) => (float y)"


def resize(text: str, scales: Any = None, sizes: Any = None, **attributes: Any) -> tuple[str, dict[str, np.ndarray]]:
    """A model that resizes, and its constants."""
    named = ", ".join(f'{k}="{v}"' if isinstance(v, str) else f"{k}={v}" for k, v in attributes.items())
    if sizes is None:
        return f"{text} {{ y = Resize<{named}>(x, , s) }}", {"s": np.array(scales, np.float32)}
    return f"{text} {{ y = Resize<{named}>(x, , , s) }}", {"s": np.array(sizes, np.int64)}


ASYMMETRIC = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
CEILED = {"mode": "nearest", "coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"}


@pytest.mark.parametrize("attributes", [ASYMMETRIC, CEILED, {"mode": "nearest"}])
@pytest.mark.parametrize("scale", [1, 2, 3, 5])
def test_nearest_by_whole_scales(attributes: dict[str, str], scale: int) -> None:
    """For these even ONNX's default, half_pixel with round_prefer_floor, takes torch's elements."""
    text, weights = resize(FREE, [1, 1, scale, 2], **attributes)
    check(text, weights, x=(2, 3, 5, 6))


@settings(max_examples=40, deadline=None)
@given(st.tuples(st.integers(1, 13), st.integers(1, 13)), st.sampled_from([ASYMMETRIC, CEILED]))
def test_nearest_to_any_size(size: tuple[int, int], attributes: dict[str, str]) -> None:
    """onnxruntime rounds the scale, so it may be off by an element where ONNX's arithmetic meets a whole number."""
    text, weights = resize(NCHW, sizes=[2, 3, *size], **attributes)
    check(text, weights, x=(2, 3, 5, 6))


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "pytorch_half_pixel", "align_corners"])
@pytest.mark.parametrize("form", ["scales", "sizes"])
@pytest.mark.parametrize("dtype", ["float"])
def test_smooth(mode: str, coordinates: str, form: str, dtype: str) -> None:
    attributes = {"mode": mode, "coordinate_transformation_mode": coordinates}
    if form == "scales":
        text, weights = resize(FREE, [1, 1, 2, 3], **attributes)
    else:
        text, weights = resize(NCHW, sizes=[2, 3, 8, 4], **attributes)
    check(text, weights, dtype=dtype, x=(2, 3, 5, 6))


@settings(max_examples=30, deadline=None)
@given(st.tuples(st.integers(1, 12), st.integers(1, 12)), st.sampled_from(["half_pixel", "align_corners"]))
def test_linear_to_any_size(size: tuple[int, int], coordinates: str) -> None:
    text, weights = resize(NCHW, sizes=[2, 3, *size], mode="linear", coordinate_transformation_mode=coordinates)
    check(text, weights, x=(2, 3, 5, 6))


@pytest.mark.parametrize("rank", [3, 5])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_other_ranks(mode: str, rank: int) -> None:
    text = f"g (float[N,C,{','.join('DHW'[3 - rank + 2 :])}] x) => (float y)"
    text, weights = resize(text, [1, 1, *[2] * (rank - 2)], mode=mode)
    check(text, weights, x=(1, 2, 3, 4, 3)[:rank])


def test_some_axes() -> None:
    text, weights = resize(NCHW, [2.0], axes=[3], **ASYMMETRIC)
    check(text, weights, x=(2, 3, 5, 6))
    text, weights = resize(NCHW, sizes=[7, 9], axes=[3, 2], mode="linear")
    check(text, weights, x=(2, 3, 5, 6))


def test_a_scale_that_is_a_fraction() -> None:
    text, weights = resize(NCHW, [1, 1, 0.7, 1.5], mode="linear")
    check(text, weights, x=(2, 3, 5, 6))


@pytest.mark.parametrize("opset", [7, 9])
def test_upsample(opset: int) -> None:
    if opset == 7:
        check(f"{FREE} {{ y = Upsample<scales=[1.0, 1.0, 2.0, 3.0]>(x) }}", opset=7, x=(2, 3, 5, 6))
    else:
        check(f"{FREE} {{ y = Upsample(x, s) }}", {"s": np.array([1, 1, 2, 3.0])}, opset=9, x=(2, 3, 5, 6))


def test_resize_before_it_had_coordinates() -> None:
    check(f"{FREE} {{ y = Resize(x, s) }}", {"s": np.array([1, 1, 2, 3.0])}, opset=10, x=(2, 3, 5, 6))


@pytest.mark.parametrize(
    ("form", "attributes", "reason"),
    [
        ({"sizes": [2, 3, 3, 3]}, {"mode": "nearest"}, "nearest neighbours (half_pixel, None) are not torch's"),
        ({"scales": [1, 1, 2, 2]}, {**ASYMMETRIC, "nearest_mode": "ceil"}, "are not torch's; torch's are those of"),
        ({"scales": [1, 2, 2, 2]}, ASYMMETRIC, "it resizes batch or channels"),
        ({"scales": [1, 1, 0.6, 2]}, {"mode": "linear"}, "the size after scaling axis 2 by 0.6"),
        ({"scales": [1, 1, 2, 2]}, {"mode": "linear", "antialias": 1}, "it has antialias"),
        ({"scales": [1, 1, 2, 2]}, {"mode": "cubic", "cubic_coeff_a": -0.5}, "cubic_coeff_a is -0.5"),
        ({"scales": [1, 1, 2, 2]}, {"mode": "cubic", "exclude_outside": 1}, "it excludes what lies outside"),
        ({"sizes": [2, 3, 4, 4]}, {"keep_aspect_ratio_policy": "not_larger"}, "give the sizes that it stands for"),
        (
            {"scales": [1, 1, 2, 2]},
            {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
            "torch's are half_pixel, and align_corners for whole sizes",
        ),
    ],
)
def test_what_is_refused(form: dict[str, Any], attributes: dict[str, Any], reason: str) -> None:
    """0.6 in single precision is above 0.6, so whether 5 * 0.6 is 3 depends on the precision of the product."""
    text, weights = resize(NCHW, **form, **attributes)
    assert reason in refusal(text, weights)


def test_sizes_of_an_unknown_input_are_refused() -> None:
    text, weights = resize(FREE, sizes=[1, 3, 4, 4], mode="linear")
    assert "the size of axis 2 is not known; give scales, not sizes" in refusal(text, weights)


@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("corners", [0, 1])
def test_grid_sample(mode: str, padding: str, corners: int) -> None:
    attributes = f'mode="{mode}", padding_mode="{padding}", align_corners={corners}'
    text = f"g (float[N,C,H,W] x, float[N,h,w,2] i) => (float y) {{ y = GridSample<{attributes}>(x, i) }}"
    grid = np.random.default_rng(1).uniform(-1.3, 1.3, (2, 4, 3, 2)).astype(np.float32)
    check(text, tolerance=2e-4, x=(2, 3, 5, 6), i=grid)


def test_grid_sample_of_volumes() -> None:
    text = "g (float[N,C,D,H,W] x, float[N,d,h,w,3] i) => (float y) { y = GridSample(x, i) }"
    grid = np.random.default_rng(1).uniform(-1.3, 1.3, (1, 2, 3, 2, 3)).astype(np.float32)
    check(text, x=(1, 2, 3, 4, 5), i=grid)
    cubic = text.replace("GridSample(", 'GridSample<mode="cubic">(')
    assert "it is cubic over three axes" in refusal(cubic)

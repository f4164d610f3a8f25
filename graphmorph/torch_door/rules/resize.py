"""Resizing: interpolate and the Upsample modules (Resize-19), and sampling at a grid (GridSample-20).

Resize is given scales where torch was, and holds for every size then; sizes that torch was given, or computed from
the traced ones, are constants. Coordinates: torch's align_corners is ONNX's, otherwise linear and cubic modes are
half_pixel. "area" is adaptive average pooling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import repeat
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.nearest_indices import same_elements
from graphmorph.torch_door.rule_table import lowers, lowers_module
from graphmorph.torch_door.rules.adaptive_pooling import adaptive_pool
from graphmorph.torch_door.traced_numbers import per_axis, require_floating, static_sizes
from graphmorph.torch_door.values import is_derived

#: torch's modes and what ONNX calls them; linear modes are named after the number of dimensions.
_MODES: dict[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    "nearest-exact": {
        "mode": "nearest",
        "coordinate_transformation_mode": "half_pixel",
        "nearest_mode": "round_prefer_ceil",
    },
    "linear": {"mode": "linear"},
    "bilinear": {"mode": "linear"},
    "trilinear": {"mode": "linear"},
    "bicubic": {"mode": "cubic", "cubic_coeff_a": -0.75},
}


@lowers(F.interpolate)
def interpolate(
    site: SiteBuilder,
    input: gs.Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> gs.Tensor:
    """Resize-19; antialiasing is not lowered, since onnxruntime's differs from torch's at the borders."""
    site.require(not antialias, "antialiased resizing")
    require_floating(site, input)
    source = static_sizes(site, input, 2, "the sizes that are resized")
    target = list(site.result_sizes[2:])
    scales = _scale_factors(site, scale_factor, len(source))
    if size is not None:
        per_axis(site, size, len(source), "size")
    if mode == "area":
        if scales is not None:
            site.specialised("area mode was given a scale")
        return adaptive_pool(site, "Average", len(source), input, target)
    site.require(mode in _MODES, f"the mode {mode!r}")
    attrs = dict(_MODES[mode])
    if attrs["mode"] != "nearest":
        attrs["coordinate_transformation_mode"] = "align_corners" if align_corners else "half_pixel"
    if scales is not None and (recompute_scale_factor or align_corners):
        scales = _scales_by_size(site, source, target, scales)
    if attrs["mode"] == "nearest":
        same = (
            same_elements(before, after, scale, exact=mode == "nearest-exact")
            for before, after, scale in zip(source, target, scales or repeat(None, len(source)), strict=True)
        )
        site.require(all(same), f"{mode} from {source} to {target}: rounding decides which element is taken")
    if scales is None:
        axes = {"axes": list(range(2, len(source) + 2))}
        return site.node("Resize", [input, None, None, site.ints(target)], attrs | axes)
    _require_size(site, source, target, scales)
    return site.node("Resize", [input, None, site.constant([1.0, 1.0, *scales], np.float32)], attrs)


def _scale_factors(site: SiteBuilder, given: Any, count: int) -> list[float] | None:
    if given is None:
        return None
    scales = list(given) if isinstance(given, Sequence) else [given] * count
    site.require(len(scales) == count and all(isinstance(s, int | float) for s in scales), f"scale_factor {given!r}")
    if any(is_derived(scale) for scale in scales):
        site.specialised("scale_factor was computed from the traced shapes")
    return [float(scale) for scale in scales]


def _scales_by_size(
    site: SiteBuilder, source: Sequence[int], target: Sequence[int], scales: Sequence[float]
) -> list[float] | None:
    """torch goes by the ratio of the sizes here: that is the scale, if the scale gives whole sizes; else None."""
    if not all(scale.is_integer() for scale in scales):
        site.specialised("the scale is the ratio of the traced sizes")
    whole = all(n * Fraction(scale) == m for n, m, scale in zip(source, target, scales, strict=True))
    return list(scales) if whole else None


def _require_size(site: SiteBuilder, source: Sequence[int], target: Sequence[int], scales: Sequence[float]) -> None:
    """The scale is a float32 in ONNX: the size must come out the same, exactly and as onnxruntime multiplies."""
    for n, m, scale in zip(source, target, scales, strict=True):
        single = np.float32(scale)
        agree = m == math.floor(n * Fraction(float(single))) == math.floor(np.float32(n) * single)
        site.require(agree, f"{n} times {scale} is {m} or not, depending on rounding")


@lowers_module(nn.Upsample, nn.UpsamplingNearest2d, nn.UpsamplingBilinear2d)
def upsample_module(site: SiteBuilder, module: nn.Upsample, input: gs.Tensor) -> gs.Tensor:
    """nn.Upsample, and the two old modules that are Upsample with a fixed mode."""
    settings = (module.mode, module.align_corners, module.recompute_scale_factor)
    return interpolate(site, input, module.size, module.scale_factor, *settings)


@lowers(F.grid_sample)
def grid_sample(
    site: SiteBuilder,
    input: gs.Tensor,
    grid: gs.Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> gs.Tensor:
    """GridSample-20."""
    require_floating(site, input, grid)
    names = {"bilinear": "linear", "nearest": "nearest", "bicubic": "cubic"}
    site.require(mode in names, f"the mode {mode!r}")
    ties = mode == "nearest" and padding_mode == "reflection" and not align_corners
    site.require(not ties, "nearest sampling with reflection: torch rounds after it reflects, onnxruntime before")
    attrs = {"mode": names[mode], "padding_mode": padding_mode, "align_corners": int(bool(align_corners))}
    return site.node("GridSample", [input, grid], attrs)

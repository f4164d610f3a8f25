"""Resize and Upsample, in the forms that torch's interpolate computes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from torch import fx
from torch.nn import functional

from graphmorph.torch_door.translation.nearest import nearest_mode
from graphmorph.torch_door.translation.operands import (
    axis_of,
    constant_array,
    constant_ints,
    rank_of,
    require,
    size_at,
    untranslatable,
)
from graphmorph.torch_door.translation_table import Translation, translates

_LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}
_CUBIC_COEFFICIENT = -0.75


@dataclass(frozen=True)
class Axis:
    """A spatial axis: its size before where that is known, and its scale. `size`: the size after, where it is given."""

    before: int | None
    scale: Fraction
    size: int | None

    @property
    def whole(self) -> bool:
        """Whether size before times scale is a whole number, so that nobody rounds it."""
        return self.scale.denominator == 1 or (self.before is not None and (self.before * self.scale).denominator == 1)

    @property
    def after(self) -> int | None:
        """The size after, where it is known."""
        return None if self.before is None else math.floor(self.before * self.scale)


@translates("Upsample", 7, 9)
def upsample(t: Translation) -> fx.Node:
    """Resize by scales with coordinates j / scale."""
    scales = t.attr("scales") if t.version < 9 else constant_array(t, 1).reshape(-1)
    require(t, t.attr("mode", "nearest") == "nearest", "upsampling that is linear from the corners", "use Resize")
    axes = _axes_by_scale(t, [float(s) for s in scales])
    return _nearest(t, axes, "asymmetric", "floor")


@translates("Resize", 10, 11, 13, 18, 19)
def resize(t: Translation) -> fx.Node:
    """Resize by scales or to sizes, by nearest neighbours, linearly or by cubics, where torch has the coordinates."""
    policy = t.attr("keep_aspect_ratio_policy", "stretch")
    require(t, policy == "stretch", f"keep_aspect_ratio_policy is {policy}", "give the sizes that it stands for")
    require(t, not t.attr("antialias", 0), "it has antialias, whose filters are not torch's")
    at = 1 if t.version < 11 else 2
    if t.has(at + 1):
        axes = _axes_by_size(t, constant_ints(t, at + 1))
    else:
        axes = _axes_by_scale(t, [float(s) for s in constant_array(t, at).reshape(-1)])
    coordinates = "asymmetric" if t.version < 11 else t.attr("coordinate_transformation_mode", "half_pixel")
    if coordinates == "half_pixel_symmetric" and all(axis.whole for axis in axes):
        coordinates = "half_pixel"
    mode = t.attr("mode", "nearest")
    if mode == "nearest":
        return _nearest(t, axes, coordinates, "floor" if t.version < 11 else t.attr("nearest_mode"))
    return _smooth(t, axes, coordinates, mode)


def _spatial(t: Translation, values: Sequence[Any], same: Sequence[Any]) -> list[Any]:
    """The values of the spatial axes, None where they are not resized; batch and channels must stay as they are."""
    rank = rank_of(t)
    require(t, 3 <= rank <= 5, f"its input has rank {rank}", "torch resizes tensors of rank 3 to 5")
    axes = [axis_of(t, int(axis)) for axis in t.attr("axes") or range(rank)]
    require(t, len(values) == len(axes), f"it has {len(values)} scales or sizes for {len(axes)} axes")
    given = dict(zip(axes, values, strict=True))
    for axis in (0, 1):
        unchanged = axis not in given or same[axis] is None or given[axis] == same[axis]
        require(t, unchanged, "it resizes batch or channels", "torch resizes spatial axes only")
    return [given.get(axis) for axis in range(2, rank)]


def _axes_by_scale(t: Translation, scales: list[float]) -> list[Axis]:
    """Axes of which scales are given, those of the element type float: 2.4 is 2.4000000953674316."""
    axes = []
    for place, scale in enumerate(_spatial(t, scales, (1.0, 1.0)), start=2):
        axis = Axis(size_at(t, place), Fraction(1.0 if scale is None else scale), None)
        # In single precision, and in torch's double, the product might be rounded to another size.
        exact = axis.whole or (axis.after is not None and _same_floor(axis.before or 0, scale, axis.after))
        require(t, exact, f"the size after scaling axis {place} by {scale} is not certain", "give sizes, not scales")
        axes.append(axis)
    return axes


def _same_floor(size: int, scale: float, after: int) -> bool:
    """Whether a product is so far from a whole number that rounding it changes nothing."""
    return math.floor(size * scale * (1 - 1e-6)) == math.floor(size * scale * (1 + 1e-6)) == after


def _axes_by_size(t: Translation, sizes: list[int]) -> list[Axis]:
    axes = []
    known = [size_at(t, 0), size_at(t, 1)]
    for place, size in enumerate(_spatial(t, sizes, known), start=2):
        before = size_at(t, place)
        require(t, before is not None, f"the size of axis {place} is not known", "give scales, not sizes")
        after = int(before or 1) if size is None else size
        axes.append(Axis(before, Fraction(after, int(before or 1)), after))
    return axes


def _nearest(t: Translation, axes: list[Axis], coordinates: str, rounding: str | None) -> fx.Node:
    found = nearest_mode([(a.before, a.scale, a.size) for a in axes], coordinates, rounding or "round_prefer_floor")
    if found is None:
        reason = f"its nearest neighbours ({coordinates}, {rounding}) are not torch's"
        raise untranslatable(t, reason, "torch's are those of asymmetric, floor, and of half_pixel, round_prefer_ceil")
    return t.call(functional.interpolate, t.value(0), mode=found, **_target(axes))


def _smooth(t: Translation, axes: list[Axis], coordinates: str, mode: str) -> fx.Node:
    require(t, not t.attr("exclude_outside", 0), "it excludes what lies outside")
    if mode == "cubic":
        coefficient = float(t.attr("cubic_coeff_a", _CUBIC_COEFFICIENT))
        require(t, coefficient == _CUBIC_COEFFICIENT, f"cubic_coeff_a is {coefficient}, not {_CUBIC_COEFFICIENT}")
        require(t, len(axes) == 2, f"it is cubic over {len(axes)} axes", "torch is cubic over two")
    else:
        require(t, mode == "linear", f"mode {mode!r} is not known")
    same = all(axis.scale == 1 for axis in axes)
    half = coordinates == "half_pixel" or (coordinates == "pytorch_half_pixel" and all(_longer(a) for a in axes))
    corners = coordinates == "align_corners" and all(axis.whole for axis in axes)
    reason = f"its coordinates ({coordinates}) are not torch's"
    require(t, same or half or corners, reason, "torch's are half_pixel, and align_corners for whole sizes")
    name = "bicubic" if mode == "cubic" else _LINEAR[len(axes) + 2]
    return t.call(functional.interpolate, t.value(0), mode=name, align_corners=corners, **_target(axes))


def _longer(axis: Axis) -> bool:
    """Whether the size after is known to be more than 1."""
    return axis.scale >= 2 if axis.after is None else axis.after > 1


def _target(axes: list[Axis]) -> dict[str, Any]:
    """What to resize to, as interpolate takes it."""
    if all(axis.size is not None for axis in axes):
        return {"size": tuple(axis.size for axis in axes)}
    return {"scale_factor": tuple(float(axis.scale) for axis in axes)}

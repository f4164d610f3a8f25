"""Which of torch's nearest neighbours are ONNX's: they are computed and compared, since both round."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

#: Sizes up to which neighbours are compared where the size is not known.
_LONGEST = 4096

#: An axis: its size before where that is known, its scale, and its size after where that is given instead of a scale.
Axis = tuple[int | None, Fraction, int | None]

_HALF = Fraction(1, 2)
_ROUNDING: dict[str, Callable[[Fraction], int]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "round_prefer_floor": lambda x: math.ceil(x - _HALF),
    "round_prefer_ceil": lambda x: math.floor(x + _HALF),
}


def nearest_mode(axes: Sequence[Axis], coordinates: str, rounding: str) -> str | None:
    """The mode of torch's interpolate that takes the same elements along every axis, or None."""
    if rounding not in _ROUNDING:
        return None
    for mode, shift in (("nearest", 0.0), ("nearest-exact", 0.5)):
        if all(_agrees(axis, coordinates, rounding, shift) for axis in axes):
            return mode
    return None


def _agrees(axis: Axis, coordinates: str, rounding: str, shift: float) -> bool:
    known, scale, size = axis
    if known is None and coordinates not in ("asymmetric", "half_pixel"):
        return False  # these depend on the sizes
    before = known if known is not None else max(int(_LONGEST / max(scale, Fraction(1))), 1)
    after = math.floor(before * scale)
    expected = _onnx_indices(before, after, scale, coordinates, rounding)
    if expected is None:
        return False
    step = 1.0 / float(scale) if size is None else before / after
    return all(_torch_indices(before, after, step, shift, kind) == expected for kind in (np.float32, np.float64))


def _torch_indices(before: int, after: int, step: float, shift: float, kind: type[np.floating]) -> list[int]:
    """Elements that torch takes: floor((j + shift) * step), in the precision it computes in."""
    places = np.floor((np.arange(after, dtype=kind) + kind(shift)) * kind(step)).astype(np.int64)
    return [int(place) for place in np.minimum(places, before - 1)]


def _onnx_indices(before: int, after: int, scale: Fraction, coordinates: str, rounding: str) -> list[int] | None:
    """Elements that ONNX takes, by exact arithmetic; None for coordinates that are not understood."""
    if coordinates == "align_corners" and before * scale != after:
        return None
    rules: dict[str, Callable[[int], Fraction]] = {
        "asymmetric": lambda j: j / scale,
        "half_pixel": lambda j: (j + _HALF) / scale - _HALF,
        "pytorch_half_pixel": lambda j: (j + _HALF) / scale - _HALF if after > 1 else Fraction(0),
        "align_corners": lambda j: Fraction(j * (before - 1), after - 1) if after > 1 else Fraction(0),
    }
    if coordinates not in rules:
        return None
    places = [_ROUNDING[rounding](rules[coordinates](j)) for j in range(after)]
    return [min(max(place, 0), before - 1) for place in places]

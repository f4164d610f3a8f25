"""Which element nearest-neighbour resizing takes, as torch, ONNX and onnxruntime work it out.

torch (aten/src/ATen/native/UpSample.h): floor(i s) or, for "nearest-exact", floor((i + 0.5) s), with s = 1 / scale or
in / out rounded to float32. ONNX (Resize-19): exact, from x = i / scale or (i + 0.5) / scale - 0.5, rounded down or to
the nearest with ties up; onnxruntime does that in float32. Where a position lies on an element's edge they may part.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np


def same_elements(source: int, target: int, scale: float | None, *, exact: bool) -> bool:
    """Whether all three take the same element everywhere along one axis.

    source, target: its sizes before and after. scale: the scale that was given, None where it is the ratio of the
    sizes. exact: torch's mode "nearest-exact".
    """
    offset = 0.5 if exact else 0.0
    ratio = np.float32(target) / np.float32(source) if scale is None else np.float32(scale)
    exact_ratio = Fraction(target, source) if scale is None else Fraction(float(ratio))
    step = np.float32(source) / np.float32(target) if scale is None else np.float32(1.0 / scale)
    for index in range(target):
        position = np.float32(index) + np.float32(offset)
        theirs = _torch_index(index, source, target, position, step)
        meant = math.floor((index + Fraction(offset)) / exact_ratio)
        rounded = np.float32(position / ratio)
        run = _half_up(np.float32(rounded - np.float32(0.5))) if exact else math.floor(rounded)
        if len({theirs, min(max(meant, 0), source - 1), min(max(run, 0), source - 1)}) > 1:
            return False
    return True


def _torch_index(index: int, source: int, target: int, position: np.float32, step: np.float32) -> int:
    if target == source:
        return index
    if target == 2 * source:
        return index // 2
    return min(math.floor(np.float32(position * step)), source - 1)


def _half_up(value: np.float32) -> int:
    """As onnxruntime rounds: halves away from zero, which for what is not negative is up."""
    return math.floor(float(value) + 0.5)

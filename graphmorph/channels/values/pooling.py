"""Pooling: values near each other are mixed within their channel."""

from __future__ import annotations

from math import prod

import numpy as np

from graphmorph.channels.values.fact import Fact, Float64
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.rounding import MANY, outward
from graphmorph.channels.values.view import View


@rule("MaxPool", "GlobalMaxPool")
def _max_pool(view: View) -> None:
    """Padding never wins, as long as no window lies in it as a whole."""
    x = _channels(view)
    kernel = [int(n) for n in view.attribute("kernel_shape", ())]
    pads = [int(n) for n in view.attribute("pads", [0] * 2 * len(kernel))]
    strides = [int(n) for n in view.attribute("strides", [1] * len(kernel))]
    overhang = strides if int(view.attribute("ceil_mode", 0)) else [1] * len(kernel)
    if any(pads[i] >= n or pads[len(kernel) + i] + overhang[i] > n for i, n in enumerate(kernel)):
        raise LookupError("a window may lie in the padding")
    view.give(_number(view, x), x.constant, x.low, x.high)


@rule("AveragePool")
def _average_pool(view: View) -> None:
    """Zeros of the padding may count; so they may where the last window hangs over the edge, as runtimes differ."""
    x = _channels(view)
    padded = any(view.attribute("pads", ())) or str(view.attribute("auto_pad", "NOTSET")).startswith("SAME")
    zeros = _hangs_over(view, x) or (padded and int(view.attribute("count_include_pad", 0)))
    _give_mean(view, x, prod(int(n) for n in view.attribute("kernel_shape")), zeros=bool(zeros))


def _hangs_over(view: View, x: Fact) -> bool:
    """Whether the last window along an axis may lie in part beyond the input and its padding."""
    kernel = [int(n) for n in view.attribute("kernel_shape")]
    pads = [int(n) for n in view.attribute("pads", [0] * 2 * len(kernel))]
    strides = [int(n) for n in view.attribute("strides", [1] * len(kernel))]
    dilations = [int(n) for n in view.attribute("dilations", [1] * len(kernel))]
    if not int(view.attribute("ceil_mode", 0)):
        return False
    for axis, (taps, stride, apart) in enumerate(zip(kernel, strides, dilations, strict=True)):
        reach = x.sizes[2 + axis] + pads[axis] + pads[len(kernel) + axis] - (taps - 1) * apart - 1
        if stride > 1 and (2 + axis in x.free or reach % stride):
            return True
    return False


@rule("GlobalAveragePool")
def _global_average_pool(view: View) -> None:
    x = _channels(view)
    terms = MANY if any(axis in x.free for axis in range(2, x.rank)) else prod(x.sizes[2:])
    _give_mean(view, x, terms, zeros=False)


@rule("LpPool", "GlobalLpPool")
def _lp_pool(view: View) -> None:
    x = _channels(view)
    view.give(_number(view, x), None, np.zeros(x.extents), np.where((x.low == 0) & (x.high == 0), 0.0, np.inf))


def _channels(view: View) -> Fact:
    return view.collapsed(view.fact(0), but=(0, 1))


def _number(view: View, x: Fact) -> np.ndarray:
    return view.combine((view.operation, x.slice_shape), x.number)


def _give_mean(view: View, x: Fact, terms: int, *, zeros: bool) -> None:
    low, high = x.low, x.high
    constant: Float64 = x.constant
    if zeros:
        low, high = np.minimum(low, 0), np.maximum(high, 0)
        constant = np.full(x.extents, np.nan)
    view.give(_number(view, x), constant, *outward(low, high, terms + 2, x.dtype))

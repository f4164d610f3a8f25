"""Pooling: values near each other are mixed within their channel."""

from __future__ import annotations

from math import prod

import numpy as np

from graphmorph.channels.values.fact import Fact
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.rounding import MANY, outward
from graphmorph.channels.values.view import View
from graphmorph.channels.values.windows import part_of_constant


@rule("MaxPool", "GlobalMaxPool")
def _max_pool(view: View) -> None:
    """Padding never wins, as long as no window lies in it as a whole."""
    x = _channels(view)
    if view.node.op == "MaxPool" and part_of_constant(view, x) is None:
        raise LookupError("a window may lie in the padding")
    view.give(_number(view, x), x.constant, x.low, x.high)


@rule("AveragePool")
def _average_pool(view: View) -> None:
    """Of a constant, zeros of the padding that count leave a part, the same everywhere or not known."""
    x = _channels(view)
    part = part_of_constant(view, x)
    _give_mean(view, x, prod(int(n) for n in view.attribute("kernel_shape")), part)


@rule("GlobalAveragePool")
def _global_average_pool(view: View) -> None:
    x = _channels(view)
    terms = MANY if any(axis in x.free for axis in range(2, x.rank)) else prod(x.sizes[2:])
    _give_mean(view, x, terms, 1.0)


@rule("LpPool", "GlobalLpPool")
def _lp_pool(view: View) -> None:
    x = _channels(view)
    view.give(_number(view, x), None, np.zeros(x.extents), np.where((x.low == 0) & (x.high == 0), 0.0, np.inf))


def _channels(view: View) -> Fact:
    return view.collapsed(view.fact(0), but=(0, 1))


def _number(view: View, x: Fact) -> np.ndarray:
    return view.combine((view.operation, x.slice_shape), x.number)


def _give_mean(view: View, x: Fact, terms: int, part: float | None) -> None:
    """part: of a constant, that its mean is in every window; None where windows differ, or may."""
    if part is None:
        low, high = np.minimum(x.low, 0), np.maximum(x.high, 0)
        view.give(_number(view, x), None, *outward(low, high, terms + 2, x.dtype))
    else:
        low, high = outward(part * x.low, part * x.high, terms + 2, x.dtype)
        view.give(_number(view, x), part * x.constant, low, high)

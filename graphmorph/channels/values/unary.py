"""Elementwise functions of one tensor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphmorph.channels.values import curves
from graphmorph.channels.values.curves import ABSOLUTE, CURVES, Curve
from graphmorph.channels.values.fact import Fact, Float64
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.rounding import SMALLEST, is_floating, lower, outward, upper
from graphmorph.channels.values.view import View


@rule(*CURVES)
def _plain(view: View) -> None:
    _give(view, CURVES[view.node.op])


@rule("Gelu")
def _gelu(view: View) -> None:
    _give(view, curves.GELU_TANH if view.attribute("approximate", "none") == "tanh" else curves.GELU)


@rule("Swish")
def _swish(view: View) -> None:
    _give(view, curves.SILU if float(view.attribute("alpha", 1.0)) == 1.0 else None)


@rule("Elu", "Selu", "Celu", "LeakyRelu")
def _with_slope(view: View) -> None:
    """alpha below 0 makes them turn somewhere; of those no bounds are given."""
    makers: dict[str, tuple[float, Callable[[float], Curve]]] = {
        "Elu": (1.0, curves.elu),
        "Selu": (1.67326319217681884765625, lambda alpha: curves.selu(alpha, gamma)),
        "Celu": (1.0, curves.celu),
        "LeakyRelu": (0.01, curves.leaky),
    }
    gamma = float(view.attribute("gamma", 1.05070102214813232421875))
    default, make = makers[view.node.op]
    alpha = float(view.attribute("alpha", default))
    rising = alpha >= 0 and gamma >= 0 and not (view.node.op == "Celu" and alpha == 0)
    _give(view, make(alpha) if rising else None)


@rule("Sin", "Cos")
def _wave(view: View) -> None:
    x = view.fact(0)
    ones = np.ones(x.extents)
    _give_bounds(view, x, None, -(1 + ABSOLUTE) * ones, (1 + ABSOLUTE) * ones)


@rule("Abs")
def _abs(view: View) -> None:
    x = view.fact(0)
    ends = np.maximum(np.abs(x.low), np.abs(x.high))
    _give_bounds(view, x, np.abs(x.constant), np.maximum(np.maximum(x.low, -x.high), 0), ends)


@rule("Neg")
def _neg(view: View) -> None:
    x = view.fact(0)
    _give_bounds(view, x, -x.constant, -x.high, -x.low)


@rule("Reciprocal")
def _reciprocal(view: View) -> None:
    x = view.fact(0)
    apart = (x.low > SMALLEST) | (x.high < -SMALLEST)
    low, high = outward(np.where(apart, 1 / x.high, -np.inf), np.where(apart, 1 / x.low, np.inf), 8, x.dtype)
    _give_bounds(view, x, 1 / x.constant, low, high)


@rule("HardSigmoid")
def _hard_sigmoid(view: View) -> None:
    x = view.fact(0)
    alpha, beta = float(view.attribute("alpha", 0.2)), float(view.attribute("beta", 0.5))
    if alpha < 0:
        _give(view, None)
        return
    scaled = outward(alpha * x.low, alpha * x.high, 1, x.dtype)
    low, high = lower([scaled[0], np.asarray(beta)], x.dtype), upper([scaled[1], np.asarray(beta)], x.dtype)
    _give_bounds(view, x, np.clip(alpha * x.constant + beta, 0, 1), np.clip(low, 0, 1), np.clip(high, 0, 1))


@rule("HardSwish")
def _hard_swish(view: View) -> None:
    """x * max(0, min(1, x / 6 + 1/2)); exactly 0 below -3, but for the rounding of 1/6."""

    def value(x: Float64) -> Float64:
        return x * np.clip(x / 6 + 0.5, 0, 1)

    x = view.fact(0)
    curve = Curve(value, -1.5, curves.APPROXIMATE, ABSOLUTE, low=-0.38, sign=True, gated=True)
    low, high = curve.bounds(x.low, x.high, x.dtype)
    off = x.high <= -3.1
    _give_bounds(view, x, value(x.constant), np.where(off, 0.0, low), np.where(off, 0.0, high))


@rule("ThresholdedRelu")
def _thresholded(view: View) -> None:
    alpha = float(view.attribute("alpha", 1.0))
    _give(view, Curve(lambda x: np.where(x > alpha, x, 0.0), sign=True, step=True) if alpha >= 0 else None)


@rule("Clip")
def _clip(view: View) -> None:
    """Operator Clip, its bounds attributes before version 11, inputs from then on."""
    x = view.fact(0)
    limits: list[float] = []
    for index, name, without in ((1, "min", -np.inf), (2, "max", np.inf)):
        if view.has(index):
            limits.append(float(view.value(index).reshape(())))
        else:
            limits.append(float(view.attribute(name, without)))
    least, most = limits
    if least > most:
        raise LookupError("the bounds of Clip are in the wrong order")
    tag = ("Clip", least, most)
    number = view.combine(tag, x.number)
    view.give(number, np.clip(x.constant, least, most), np.clip(x.low, least, most), np.clip(x.high, least, most))


def _give(view: View, curve: Curve | None) -> None:
    x = view.fact(0)
    if curve is None or not is_floating(x.dtype):
        view.give(view.combine(view.operation, x.number))
        return
    low, high = curve.bounds(x.low, x.high, x.dtype)
    constant = None if curve.step else curve.value(x.constant)
    view.give(view.combine(view.operation, x.number), constant, low, high)


def _give_bounds(view: View, x: Fact, constant: Float64 | None, low: Float64, high: Float64) -> None:
    view.give(view.combine(view.operation, x.number), constant, low, high)

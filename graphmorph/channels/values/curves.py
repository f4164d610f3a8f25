"""Functions of one number: their values in float64, and bounds of what runtimes compute for an interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from graphmorph.channels.values.fact import Float64
from graphmorph.channels.values.rounding import tiny, unit

#: Runtimes approximate exp, tanh and erf by rational functions, clamped far out.
APPROXIMATE = 2.0**-16
ABSOLUTE = 2.0**-21


@dataclass(frozen=True)
class Curve:
    """A function of one number that does not fall, or falls until `turn` and then does not.

    relative, absolute: how far a runtime's values may be off. low, high: its range, rounded values included. sign: it
    has the sign of its argument, exactly, or is 0. loose: but left of 0 rounding may change the sign. step: it jumps,
    so that rounding of the argument may matter. domain: below it the function is NaN. gated: the argument times an
    approximated gate, so that what it is off near 0 is a part of the argument.
    """

    value: Callable[[Float64], Float64]
    turn: float | None = None
    relative: float = 0.0
    absolute: float = 0.0
    low: float = -np.inf
    high: float = np.inf
    sign: bool = False
    loose: bool = False
    step: bool = False
    domain: float = -float(np.finfo(np.float64).max)
    gated: bool = False

    def bounds(self, low: Float64, high: Float64, dtype: int | None) -> tuple[Float64, Float64]:
        """Bounds of the function's values on an interval."""
        largest = float(np.finfo(np.float64).max)
        at_low, at_high = self.value(np.clip(low, self.domain, largest)), self.value(np.clip(high, -largest, largest))
        if self.turn is None:
            least, most = at_low, at_high
        else:
            lowest = self.value(np.asarray(self.turn))
            least = np.where(high <= self.turn, at_high, np.where(low >= self.turn, at_low, lowest))
            most = np.maximum(at_low, at_high)
        reach = np.minimum(np.maximum(np.abs(low), np.abs(high)), 16)
        least, most = least - self._error(least, reach, dtype), most + self._error(most, reach, dtype)
        least, most = np.clip(least, self.low, self.high), np.clip(most, self.low, self.high)
        if self.sign:
            least = np.where(low >= 0, np.maximum(least, 0.0), least)
            most = np.where((high <= 0) & ((low == 0) | (not self.loose)), np.minimum(most, 0.0), most)
        return least, most

    def _error(self, value: Float64, reach: Float64, dtype: int | None) -> Float64:
        if self.relative == 0:
            return np.zeros_like(value)
        coarse = max(1.0, unit(dtype) * 2.0**24)
        size = np.where(np.isfinite(value), np.abs(value), 0.0)
        off = self.absolute * (reach if self.gated else 1 + reach)
        found: Float64 = coarse * (self.relative * size + off) + tiny(dtype)
        return found


def rounded(value: Callable[[Float64], Float64], *, sign: bool = False, low: float = -np.inf) -> Curve:
    """A function made of a few correctly rounded operations that do not cancel."""
    return Curve(value, relative=8 * 2.0**-24, absolute=0.0, low=low, sign=sign)


def approximated(
    value: Callable[[Float64], Float64],
    *,
    low: float = -np.inf,
    high: float = np.inf,
    turn: float | None = None,
    sign: bool = False,
    loose: bool = False,
    gated: bool = False,
) -> Curve:
    """A function that runtimes approximate."""
    return Curve(value, turn, APPROXIMATE, ABSOLUTE, low, high, sign, loose, gated=gated)


def _gelu(x: Float64) -> Float64:
    gate: Float64 = special.ndtr(x)
    return x * gate


def _gelu_tanh(x: Float64) -> Float64:
    gate: Float64 = special.expit(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    return x * gate


def _silu(x: Float64) -> Float64:
    gate: Float64 = special.expit(x)
    return x * gate


def _mish(x: Float64) -> Float64:
    return x * np.tanh(np.logaddexp(0, x))


#: Curves without attributes.
CURVES: dict[str, Curve] = {
    "Relu": Curve(lambda x: np.maximum(x, 0), sign=True),
    "Sigmoid": approximated(special.expit, low=0, high=1 + ABSOLUTE),
    "Tanh": approximated(np.tanh, low=-1 - ABSOLUTE, high=1 + ABSOLUTE, sign=True),
    "Erf": approximated(special.erf, low=-1 - ABSOLUTE, high=1 + ABSOLUTE, sign=True),
    "Exp": Curve(np.exp, relative=APPROXIMATE, low=0),
    "Log": Curve(np.log, relative=APPROXIMATE, absolute=ABSOLUTE, domain=0.0),
    "Softplus": approximated(lambda x: np.logaddexp(0, x), low=0),
    "Softsign": rounded(lambda x: x / (1 + np.abs(x)), sign=True),
    "Atan": approximated(np.arctan, sign=True),
    "Sqrt": Curve(np.sqrt, relative=8 * 2.0**-24, low=0, sign=True, domain=0.0),
    "Floor": Curve(np.floor, step=True),
    "Ceil": Curve(np.ceil, step=True),
    "Round": Curve(np.round, step=True),
    "Sign": Curve(np.sign, sign=True, step=True),
    "Mish": approximated(_mish, low=-0.32, turn=-1.1924, sign=True, gated=True),
}

#: x (1 + erf(x / sqrt 2)) / 2: an approximated erf may be less than -1.
GELU = approximated(_gelu, low=-0.18, turn=-0.7518, sign=True, loose=True, gated=True)
GELU_TANH = approximated(_gelu_tanh, low=-0.18, turn=-0.7525, sign=True, loose=True, gated=True)
SILU = approximated(_silu, low=-0.29, turn=-1.2785, sign=True, gated=True)


def elu(alpha: float) -> Curve:
    """Operator Elu."""
    return approximated(lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))), sign=True)


def selu(alpha: float, gamma: float) -> Curve:
    """Operator Selu."""
    return approximated(lambda x: gamma * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))), sign=True)


def celu(alpha: float) -> Curve:
    """Operator Celu."""
    return approximated(lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)), sign=True)


def leaky(alpha: float) -> Curve:
    """Operator LeakyRelu."""
    return rounded(lambda x: np.where(x >= 0, x, alpha * x), sign=True)

"""Elementwise functions of two tensors, or of several."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import onnx

from graphmorph.channels.values.elementwise import Bounds, elementwise, give_elementwise, operands
from graphmorph.channels.values.fact import Fact, Float64
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.rounding import SMALLEST, lower, outward, product, upper
from graphmorph.channels.values.view import View


def added(facts: Sequence[Fact], dtype: int | None) -> Bounds:
    """Bounds of a sum."""
    return lower([f.low for f in facts], dtype), upper([f.high for f in facts], dtype)


def multiplied(facts: Sequence[Fact], dtype: int | None) -> Bounds:
    """Bounds of a product; a square is not negative."""
    first, second = facts
    low, high = product((first.low, first.high), (second.low, second.high), dtype)
    if first.slice_shape == second.slice_shape:
        low = np.where(first.number == second.number, np.maximum(low, 0), low)
    return low, high


@rule("Add", "Sum")
def _add(view: View) -> None:
    indices = range(view.count())
    give_elementwise(view, indices, lambda *terms: np.sum(np.broadcast_arrays(*terms), axis=0), added, commutative=True)


@rule("Sub")
def _sub(view: View) -> None:
    def bounds(facts: Sequence[Fact], dtype: int | None) -> Bounds:
        first, second = facts
        return lower([first.low, -second.high], dtype), upper([first.high, -second.low], dtype)

    give_elementwise(view, (0, 1), np.subtract, bounds)


@rule("Mul")
def _mul(view: View) -> None:
    give_elementwise(view, (0, 1), np.multiply, multiplied, commutative=True)


@rule("Div")
def _div(view: View) -> None:
    """0 divided by x is 0 only where x is known not to be."""

    def bounds(facts: Sequence[Fact], dtype: int | None) -> Bounds:
        first, second = facts
        apart = (second.low > SMALLEST) | (second.high < -SMALLEST)
        inverse = np.where(apart, 1 / second.high, -np.inf), np.where(apart, 1 / second.low, np.inf)
        low, high = outward(*product((first.low, first.high), inverse, dtype), 2, dtype)
        return np.where(apart, low, -np.inf), np.where(apart, high, np.inf)

    give_elementwise(view, (0, 1), np.divide, bounds)


@rule("Pow")
def _pow(view: View) -> None:
    """Bounds for the exponents that layers have: square, square root, and whatever is raised from above 0."""

    def bounds(facts: Sequence[Fact], dtype: int | None) -> Bounds:
        base, exponent = facts
        power = exponent.constant
        ends = np.stack(np.broadcast_arrays(np.power(base.low, power), np.power(base.high, power)))
        low, high = ends.min(axis=0) * (1 - 2.0**-16), ends.max(axis=0) * (1 + 2.0**-16)
        above = (base.low >= 0) & (power > 0)
        square = power == 2
        low = np.where(above, low, np.where(square, 0.0, -np.inf))
        return low, np.where(above | square, high, np.inf)

    give_elementwise(view, (0, 1), np.power, bounds)


@rule("Max")
def _max(view: View) -> None:
    def bounds(facts: Sequence[Fact], _: int | None) -> Bounds:
        return reduce(np.maximum, [f.low for f in facts]), reduce(np.maximum, [f.high for f in facts])

    give_elementwise(view, range(view.count()), lambda *v: reduce(np.maximum, v), bounds, commutative=True)


@rule("Min")
def _min(view: View) -> None:
    def bounds(facts: Sequence[Fact], _: int | None) -> Bounds:
        return reduce(np.minimum, [f.low for f in facts]), reduce(np.minimum, [f.high for f in facts])

    give_elementwise(view, range(view.count()), lambda *v: reduce(np.minimum, v), bounds, commutative=True)


@rule("PRelu")
def _prelu(view: View) -> None:
    """The sum of a part that is not negative and one that is scaled; one of them is 0."""

    def value(x: Float64, slope: Float64) -> Float64:
        return np.where(x >= 0, x, x * slope)

    def bounds(facts: Sequence[Fact], dtype: int | None) -> Bounds:
        x, slope = facts
        below = np.minimum(x.low, 0), np.minimum(x.high, 0)
        low, high = product(below, (slope.low, slope.high), dtype)
        return np.maximum(x.low, 0) + low, np.maximum(x.high, 0) + high

    give_elementwise(view, (0, 1), value, bounds)


@rule("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor")
def _compare(view: View) -> None:
    commutative = view.node.op in ("Equal", "And", "Or", "Xor")
    give_elementwise(view, (0, 1), None, None, dtype=onnx.TensorProto.BOOL, commutative=commutative)


@rule("Not")
def _not(view: View) -> None:
    give_elementwise(view, (0,), None, None)


@rule("Where")
def _where(view: View) -> None:
    """One of two; which one is known where the condition is constant."""
    condition, first, second = operands(view, (0, 1, 2))
    dtype = view.outline(1).dtype

    def value(_: Float64, one: Float64, other: Float64) -> Float64:
        return np.where(condition.constant == 1, one, np.where(condition.constant == 0, other, np.nan))

    def bounds(_: Sequence[Fact], __: int | None) -> Bounds:
        yes, no = condition.constant == 1, condition.constant == 0
        low = np.where(yes, first.low, np.where(no, second.low, np.minimum(first.low, second.low)))
        high = np.where(yes, first.high, np.where(no, second.high, np.maximum(first.high, second.high)))
        return low, high

    floating = condition.retyped(first.dtype)
    outline = view.output_outline().retyped(dtype)
    view.outputs[0] = elementwise(view.numbering, outline, "Where", [floating, first, second], value, bounds)

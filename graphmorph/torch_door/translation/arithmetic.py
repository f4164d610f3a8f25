"""Element by element arithmetic; both sides broadcast as numpy does, in ONNX and in torch."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import torch
from torch import fx

from graphmorph.torch_door.translation.operands import (
    Value,
    element_type,
    is_float,
    require,
    shared_type,
    type_of,
    values_of,
)
from graphmorph.torch_door.translation_table import Translation, translates

_UNARY: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "Neg": (operator.neg, (6, 13)),
    "Abs": (torch.abs, (6, 13)),
    "Sqrt": (torch.sqrt, (6, 13)),
    "Exp": (torch.exp, (6, 13)),
    "Log": (torch.log, (6, 13)),
    "Erf": (torch.erf, (9, 13)),
    "Reciprocal": (torch.reciprocal, (6, 13)),
    "Floor": (torch.floor, (6, 13)),
    "Ceil": (torch.ceil, (6, 13)),
    "Round": (torch.round, (11, 22)),  # both round half to even
    "Sign": (torch.sign, (9, 13)),
    "Sin": (torch.sin, (7, 22)),
    "Cos": (torch.cos, (7, 22)),
    "Tan": (torch.tan, (7, 22)),
    "Asin": (torch.asin, (7, 22)),
    "Acos": (torch.acos, (7, 22)),
    "Atan": (torch.atan, (7, 22)),
    "Sinh": (torch.sinh, (9, 22)),
    "Cosh": (torch.cosh, (9, 22)),
    "Asinh": (torch.asinh, (9, 22)),
    "Acosh": (torch.acosh, (9, 22)),
    "Atanh": (torch.atanh, (9, 22)),
    "IsNaN": (torch.isnan, (9, 13, 20)),
    "BitwiseNot": (torch.bitwise_not, (18,)),
}
_BINARY: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "Add": (operator.add, (7, 13, 14)),
    "Sub": (operator.sub, (7, 13, 14)),
    "Mul": (operator.mul, (7, 13, 14)),
    "BitwiseAnd": (operator.and_, (18,)),
    "BitwiseOr": (operator.or_, (18,)),
    "BitwiseXor": (operator.xor, (18,)),
}


def _calls(function: Callable[..., Any]) -> Callable[[Translation], fx.Node]:
    def elementwise(t: Translation) -> fx.Node:
        return t.call(function, *values_of(t))

    return elementwise


for _op, (_function, _versions) in {**_UNARY, **_BINARY}.items():
    translates(_op, *_versions)(_calls(_function))


@translates("Div", 7, 13, 14)
def div(t: Translation) -> fx.Node:
    """a / b; integers are divided towards zero."""
    if is_float(shared_type(t, 1)):
        return t.call(operator.truediv, *values_of(t))
    return t.call(torch.div, *_tensors(t), rounding_mode="trunc")


@translates("Mod", 10, 13, 28)
def mod(t: Translation) -> fx.Node:
    """The remainder with the sign of the divisor, or that of C's fmod."""
    return t.call(torch.fmod if t.attr("fmod", 0) else torch.remainder, *_tensors(t))


def _tensors(t: Translation) -> list[Value]:
    """Both operands, for torch functions that take a number as the second one only."""
    first, second = values_of(t)
    if isinstance(first, fx.Node):
        return [first, second]
    return [t.method("new_full", second, (), first), second]


@translates("Pow", 7, 12, 13, 15)
def pow_(t: Translation) -> fx.Node:
    """x ** y in the element type of x, whatever that of y."""
    result, base = t.call(operator.pow, *values_of(t)), type_of(t, 0)
    exponent = element_type(t.node.inputs[1])
    if exponent == base or (is_float(base) and exponent is not None and not is_float(exponent)):
        return result
    return t.method("to", result, base)


@translates("Sum", 6, 8, 13)
def sum_(t: Translation) -> fx.Node:
    """The sum of all inputs."""
    return _combined(t, partial(t.call, operator.add))


def _combined(t: Translation, combine: Callable[[fx.Node, Value], fx.Node]) -> fx.Node:
    """All inputs, two at a time, tensors before numbers."""
    values = values_of(t)
    first, *tensors = [value for value in values if isinstance(value, fx.Node)]
    return reduce(combine, (*tensors, *(value for value in values if not isinstance(value, fx.Node))), first)


@translates("Mean", 6, 8, 13)
def mean(t: Translation) -> fx.Node:
    """The mean of all inputs."""
    return t.call(operator.truediv, sum_(t), t.count)


@translates("Max", 8, 12, 13)
def max_(t: Translation) -> fx.Node:
    """The greatest of all inputs; NaN where one is NaN, as in torch."""
    return _combined(t, partial(_extreme, t, torch.maximum, "min"))


@translates("Min", 8, 12, 13)
def min_(t: Translation) -> fx.Node:
    """The least of all inputs; NaN where one is NaN, as in torch."""
    return _combined(t, partial(_extreme, t, torch.minimum, "max"))


def _extreme(t: Translation, function: Callable[..., Any], bound: str, left: fx.Node, right: Value) -> fx.Node:
    if isinstance(right, fx.Node):
        return t.call(function, left, right)
    return t.call(torch.clamp, left, **{bound: right})


@translates("IsInf", 10, 20)
def is_inf(t: Translation) -> fx.Node:
    """Whether an element is infinite, of either sign or of one."""
    negative, positive = bool(t.attr("detect_negative", 1)), bool(t.attr("detect_positive", 1))
    if negative and positive:
        return t.call(torch.isinf, t.value(0))
    require(t, negative or positive, "it detects neither sign", "replace it by a constant")
    return t.call(torch.isposinf if positive else torch.isneginf, t.value(0))

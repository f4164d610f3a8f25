"""Operators that work element by element: one input passes through, several meet under broadcasting."""

from __future__ import annotations

from graphmorph.channels.elements import Axis
from graphmorph.channels.view import View, rule


@rule(
    *("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Cast", "Ceil", "Celu", "Clip", "Cos"),
    *("Cosh", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN"),
    *("LeakyRelu", "Log", "Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign"),
    *("Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu"),
)
def unary(view: View) -> None:
    """The axes of the first input; what else there is (Clip's limits) has one value."""
    view.give(view.axes(0))


@rule("CastLike")
def cast_like(view: View) -> None:
    """CastLike-15: the second input lends its type alone."""
    view.give(view.axes(0))


@rule("Dropout")
def dropout(view: View) -> None:
    """Dropout: the mask has the axes of the data."""
    view.give(view.axes(0), view.axes(0))


@rule(
    *("Add", "And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Equal", "Greater", "GreaterOrEqual"),
    *("Less", "LessOrEqual", "Max", "Mean", "Min", "Mod", "Mul", "Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor"),
)
def broadcast(view: View) -> None:
    """Axes are aligned at the end; those that are not of size 1 become one."""
    if "broadcast" in view.node.attrs or "axis" in view.node.attrs:
        view.stop("broadcasting with an axis, as before opset 7")
        return
    given = [index for index in range(len(view.node.inputs)) if view.has(index)]
    # Activations first: their arrays are passed on, and constants are linked to them.
    given.sort(key=view.is_constant)
    rank = max(view.rank(index) for index in given)
    view.give(tuple(_met(view, given, axis - rank) for axis in range(rank)))


def _met(view: View, given: list[int], axis: int) -> Axis:
    """The axis that all inputs have at a place, counted from the end."""
    found: Axis = None
    seen = False
    for index in given:
        place = view.rank(index) + axis
        if place < 0 or view.size(index)[place] == 1:
            continue
        found = view.meet(found, index, place, "meets an axis that must stay") if seen else view.axes(index)[place]
        seen = True
    return found

"""Mul, Add, Sub, Div, Neg, Sum and what passes its input through, with constants of one number or one a channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.affine.form import Layout
from graphmorph.affine.kernel import Float64
from graphmorph.affine.operators.rules import rule
from graphmorph.affine.operators.steps import Scale, Step, Sum, Wall
from graphmorph.facts import Facts

#: FLOAT, FLOAT16, DOUBLE, BFLOAT16 as TensorProto numbers them.
FLOATING = frozenset({1, 10, 11, 16})

ONE, ZERO = np.ones(1), np.zeros(1)


@dataclass(frozen=True, eq=False)
class PerChannel:
    """A constant that is one number, or one a channel of the axis named."""

    values: Float64
    axis: Layout | None


def per_channel(node: gs.Node, constant: gs.Tensor, data: gs.Tensor, facts: Facts) -> PerChannel | Wall:
    """Read a constant operand as (1,) or (channels,), after aligning it with the data as broadcasting does."""
    shape = list(constant.shape)
    data_shape = facts.shape(data)
    if facts.opset < 7 and node.attrs.get("broadcast", 0) and "axis" in node.attrs and data_shape is not None:
        shape += [1] * (len(data_shape) - int(node.attrs["axis"]) % len(data_shape) - len(shape))
    values = facts.value(constant).reshape(-1)
    if all(n == 1 for n in shape) and (data_shape is None or len(shape) <= len(data_shape)):
        if data_shape is None and len(shape) > 1:
            return Wall(
                f"the rank of {data.name} is unknown, so constant {constant.name} {tuple(shape)} may broadcast it"
            )
        return PerChannel(values, None)
    if data_shape is None:
        return Wall(
            f"the rank of {data.name} is unknown, so constant {constant.name} cannot be aligned with its channels"
        )
    rank = len(data_shape)
    aligned = [1] * (rank - len(shape)) + shape
    wide = [axis for axis, n in enumerate(aligned) if n != 1]
    if len(aligned) > rank or len(wide) != 1:
        return Wall(f"constant {constant.name} of shape {tuple(constant.shape)} is not per channel")
    if rank >= 2 and wide[0] == 1:
        return PerChannel(values, "first")
    if rank >= 3 and wide[0] == rank - 1:
        return PerChannel(values, "last")
    return Wall(f"constant {constant.name} of shape {tuple(constant.shape)} varies along axis {wide[0]}, not channels")


def _floating(node: gs.Node, facts: Facts) -> bool:
    constants = [t for t in node.inputs if facts.constant(t)]
    if constants:
        return bool(np.issubdtype(constants[0].dtype, np.floating)) or str(constants[0].dtype) == "bfloat16"
    return facts.dtype(node.outputs[0]) in FLOATING


def _binary(node: gs.Node, facts: Facts) -> tuple[gs.Tensor, PerChannel, bool] | Wall | None:
    """Data operand, constant operand, and whether the constant stands first; None where both are variable."""
    if len(node.inputs) != 2:
        return Wall(f"{node.op} has {len(node.inputs)} inputs")
    if not _floating(node, facts):
        return Wall(f"{node.op} works on integers, or on a type that is not known")
    left, right = node.inputs
    if not facts.constant(left) and not facts.constant(right):
        return None
    if facts.constant(left) and facts.constant(right):
        return Wall(f"both inputs of {node.op} are constants; fold-constants folds it")
    data, constant = (right, left) if facts.constant(left) else (left, right)
    if facts.constant(left) and facts.opset < 7:
        return Wall(f"{node.op} of opset {facts.opset} with a constant first operand cannot broadcast it")
    values = per_channel(node, constant, data, facts)
    if isinstance(values, Wall):
        return values
    if not np.all(np.isfinite(values.values)):
        return Wall(f"constant {constant.name} is not finite")
    return data, values, facts.constant(left)


def _overridable(node: gs.Node, facts: Facts) -> str:
    return "".join(f" ({facts.variable(t)})" for t in node.inputs if t.name in facts.overridable)


def _sum(node: gs.Node, signs: tuple[float, ...]) -> Sum:
    operands = tuple((t.name, sign) for t, sign in zip(node.inputs, signs, strict=True))
    return Sum(operands, ZERO, None)


@rule("Add", 1, 6, 7, 13, 14)
def add(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """x + c, c + x, or x + y."""
    found = _binary(node, facts)
    if found is None:
        return _sum(node, (1.0, 1.0))
    if isinstance(found, Wall):
        return found
    data, constant, _ = found
    return Scale(data.name, ONE, constant.values, constant.axis)


@rule("Sub", 1, 6, 7, 13, 14)
def subtract(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """x - c, c - x, or x - y."""
    found = _binary(node, facts)
    if found is None:
        return _sum(node, (1.0, -1.0))
    if isinstance(found, Wall):
        return found
    data, constant, constant_first = found
    if constant_first:
        return Scale(data.name, -ONE, constant.values, constant.axis)
    return Scale(data.name, ONE, -constant.values, constant.axis)


@rule("Mul", 1, 6, 7, 13, 14)
def multiply(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """x * c or c * x."""
    found = _binary(node, facts)
    if found is None:
        return Wall(f"Mul of two variable tensors is not affine{_overridable(node, facts)}")
    if isinstance(found, Wall):
        return found
    data, constant, _ = found
    return Scale(data.name, constant.values, ZERO, constant.axis)


@rule("Div", 1, 6, 7, 13, 14)
def divide(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """x / c; c / x is not affine."""
    found = _binary(node, facts)
    if found is None or (not isinstance(found, Wall) and found[2]):
        return Wall(f"Div by a variable tensor is not affine{_overridable(node, facts)}")
    if isinstance(found, Wall):
        return found
    data, constant, _ = found
    if not np.all(constant.values):
        return Wall(f"{node.inputs[1].name} divides by zero")
    return Scale(data.name, 1.0 / constant.values, ZERO, constant.axis)


@rule("Neg", 1, 6, 13)
def negate(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """-x on floating-point tensors."""
    if facts.dtype(node.outputs[0]) not in FLOATING:
        return Wall("Neg works on integers, or on a type that is not known")
    return Scale(node.inputs[0].name, -ONE, ZERO, None)


@rule("Sum", 1, 6, 8, 13)
def summed(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """x + y + ... with any number of constants among them."""
    if not _floating(node, facts):
        return Wall("Sum works on a type that is not known")
    variable = [t for t in node.inputs if not facts.constant(t)]
    if not variable:
        return Wall("all inputs of Sum are constants; fold-constants folds it")
    if version < 8 and len(variable) < len(node.inputs):
        return Wall(f"Sum version {version} does not broadcast its constant operands")
    offset, axis = ZERO, None
    for tensor in node.inputs:
        if not facts.constant(tensor):
            continue
        constant = per_channel(node, tensor, variable[0], facts)
        if isinstance(constant, Wall):
            return constant
        if axis is not None and constant.axis not in (None, axis):
            return Wall("the constants of Sum vary along different axes")
        axis = axis or constant.axis
        if 1 not in (offset.size, constant.values.size) and offset.size != constant.values.size:
            return Wall("the constants of Sum have different sizes")
        offset = offset + constant.values
    return Sum(tuple((t.name, 1.0) for t in variable), offset, axis)


@rule("Identity", 1, 13, 14, 16, 19, 21, 23, 24, 25)
def same(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """x itself."""
    if facts.dtype(node.outputs[0]) not in FLOATING:
        return Wall("Identity of a type that is not floating point, or not known")
    return Scale(node.inputs[0].name, ONE, ZERO, None)


@rule("Dropout", 1, 6, 7, 10, 12, 13, 22)
def dropout(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """x itself at inference; the mask must not be read, and training mode must be off for certain."""
    if any(t.name and (facts.readers[t.name] or facts.is_pinned(t.name)) for t in node.outputs[1:]):
        return Wall("the mask of Dropout is read")
    if version < 7 and not node.attrs.get("is_test", 0):
        return Wall("Dropout is in training mode (is_test is 0)")
    if version >= 12 and len(node.inputs) > 2 and node.inputs[2].name:
        mode = node.inputs[2]
        if not facts.constant(mode) or any(facts.integers(mode)):
            return Wall("Dropout is in training mode, or may be")
    return Scale(node.inputs[0].name, ONE, ZERO, None)

"""Operators that pass values on, and one that makes them."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import helper

from graphmorph.channels.values.fact import Outline
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.rounding import outward
from graphmorph.channels.values.telling import limited
from graphmorph.channels.values.view import View
from graphmorph.graph import constant_array


@rule("Identity")
def _identity(view: View) -> None:
    view.give_rearranged(view.fact(0))


@rule("Dropout")
def _dropout(view: View) -> None:
    """Operator Dropout in inference: before version 7 an attribute said so, since version 12 an input may."""
    active = view.facts.training or (view.facts.opset < 7 and not view.attribute("is_test", 0))
    if active or (view.has(2) and bool(view.array(2).any())):
        raise LookupError("it drops values at random")
    view.give_rearranged(view.fact(0))


@rule("Cast")
def _cast(view: View) -> None:
    """Between floating-point types; from integers and booleans as far as their values are known."""
    x = view.fact(0)
    low, high = x.low, x.high
    if x.dtype == onnx.TensorProto.BOOL:
        low, high = np.maximum(low, 0), np.minimum(high, 1)
    target = int(view.attribute("to"))
    exact = target == onnx.TensorProto.DOUBLE or target == x.dtype or x.dtype == onnx.TensorProto.BOOL
    low, high = (low, high) if exact else outward(low, high, 1, target)
    number = view.combine((view.operation, x.dtype), x.number)
    view.give(number, x.constant, low, high, outline=view.output_outline().retyped(target))


@rule("Constant")
def _constant(view: View) -> None:
    """What its readers see, they take from the node; this is for who asks about the tensor."""
    value = view.attribute("value")
    if not isinstance(value, gs.Constant):
        raise LookupError("a constant of another kind")
    view.outputs[0] = limited(view.numbering, view.of_constant(constant_array(value)))


@rule("ConstantOfShape")
def _constant_of_shape(view: View) -> None:
    filled = view.attribute("value")
    value = np.zeros(1, np.float32) if filled is None else np.asarray(getattr(filled, "values", filled)).reshape(-1)
    sizes = view.output_outline()
    outline = Outline(sizes.sizes, sizes.free, int(helper.np_dtype_to_tensor_dtype(value.dtype)))
    constant = np.full((1,) * outline.rank, float(value[0]))
    view.give(view.numbering.of_constants(constant), constant, constant, constant, outline=outline)

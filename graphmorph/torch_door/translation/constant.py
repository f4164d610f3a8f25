"""Operators that make tensors of numbers: Constant, ConstantOfShape, Range."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import torch
from torch import fx

from graphmorph.graph import constant_array
from graphmorph.torch_door.element_types import torch_dtype
from graphmorph.torch_door.translation.operands import (
    constant_number,
    is_float,
    require,
    shared_type,
    untranslatable,
    values_of,
)
from graphmorph.torch_door.translation_table import Translation, translates

_NUMBERS: dict[str, Any] = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


@translates("Constant", 1, 9, 11, 12, 13, 19, 21, 23, 24, 25)
def constant(t: Translation) -> fx.Node:
    """A tensor that is written in the node: a buffer or parameter of the module."""
    name = t.node.outputs[0].name
    written = t.attr("value")
    for kind, dtype in _NUMBERS.items():
        if t.attr(kind) is not None:
            written = gs.Constant(name, np.asarray(t.attr(kind), dtype=dtype))
    if not isinstance(written, gs.Constant):
        raise untranslatable(t, "its value is neither a tensor nor a number", "torch has no strings")
    return t.emission.access(gs.Constant(name, written._values))


@translates("ConstantOfShape", 9, 20, 21, 23, 24, 25)
def constant_of_shape(t: Translation) -> fx.Node:
    """One value everywhere in a tensor of a computed shape, on the device of that shape."""
    value = t.attr("value")
    array = np.zeros(1, np.float32) if value is None else constant_array(value).reshape(-1)
    sizes: fx.Node = t.value(0)
    return t.method("new_full", sizes, t.method("tolist", sizes), array[0].item(), dtype=torch_dtype(array.dtype))


@translates("Range", 11, 27)
def range_(t: Translation) -> fx.Node:
    """start, start + delta, ... below limit, for integers: how many fractions there are is a matter of rounding.

    Where limit lies before start ONNX gives nothing and torch an error, so it is moved to start there.
    """
    dtype = shared_type(t, 1, 2)
    require(t, not is_float(dtype), f"a range of {dtype}", "count in integers and Cast the result")
    start, limit, _ = values_of(t)
    delta = constant_number(t, 2)
    device = t.call(getattr, next(value for value in (limit, start) if isinstance(value, fx.Node)), "device")
    end = t.call(max if delta > 0 else min, start, limit)
    return t.call(torch.arange, start, end, delta, dtype=dtype, device=device)

"""What a translation asks about the operands of its node, and the errors for what it does not learn."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs
import torch
from torch import fx

from graphmorph.errors import MaterialiseError
from graphmorph.onnx_door.element_types import numpy_type, onnx_type
from graphmorph.torch_door.element_types import torch_dtype
from graphmorph.torch_door.translation_table import Translation

Value = fx.Node | float | int

#: What to do about an operand that is constant, or should be.
FOLD = "fold constants first (fold-constants), or leave this part out"
_INFER = "run onnx.shape_inference.infer_shapes on the model before loading it"


def untranslatable(t: Translation, missing: str, advice: str) -> MaterialiseError:
    """The error for a node that torch cannot be told, with what the user can do."""
    return t.error(f"no translation to torch: {missing}; {advice}")


def require(
    t: Translation, condition: bool, missing: str, advice: str = "rewrite the node, or keep it in ONNX"
) -> None:
    """Raise MaterialiseError unless a condition holds."""
    if not condition:
        raise untranslatable(t, missing, advice)


def known_rank(t: Translation, index: int = 0) -> int | None:
    """The rank of an input, or None where it is not known."""
    dims = t.dims(index)
    return None if dims is None else len(dims)


def rank_of(t: Translation, index: int = 0) -> int:
    """The rank of an input; raises MaterialiseError where it is not known."""
    rank = known_rank(t, index)
    if rank is None:
        raise untranslatable(t, f"the rank of its input {t.node.inputs[index].name} is not known", _INFER)
    return rank


def axis_of(t: Translation, axis: int, index: int = 0) -> int:
    """An axis counted from the front; the rank is asked for only where the axis is negative."""
    return axis if axis >= 0 else axis + rank_of(t, index)


def spatial_rank(t: Translation) -> int:
    """How many axes input 0 has beside batch and channels."""
    return rank_of(t) - 2


def size_at(t: Translation, axis: int, index: int = 0) -> int | None:
    """The size of an axis of an input where it is a known number."""
    dims = t.dims(index)
    size = dims[axis] if dims is not None and -len(dims) <= axis < len(dims) else None
    return size if isinstance(size, int) else None


def constant_ints(t: Translation, index: int) -> list[int]:
    """The values of an integer input; raises MaterialiseError where they are computed at run time."""
    require(t, t.is_constant(index), f"its input {t.node.inputs[index].name} is not constant", FOLD)
    return t.ints(index)


def optional_ints(t: Translation, index: int) -> list[int] | None:
    """The values of an optional integer input, None where it is left out."""
    return constant_ints(t, index) if t.has(index) else None


def constant_array(t: Translation, index: int) -> np.ndarray:
    """A constant input; raises MaterialiseError where it is computed at run time."""
    require(t, t.is_constant(index), f"its input {t.node.inputs[index].name} is not constant", FOLD)
    return np.asarray(t.array(index))


def constant_number(t: Translation, index: int) -> float | int:
    """A constant input of one element as a Python number."""
    array = constant_array(t, index)
    require(t, array.size == 1, f"its input {t.node.inputs[index].name} has {array.size} elements instead of one")
    number: float | int = array.reshape(-1)[0].item()
    return number


def element_type(tensor: gs.Tensor) -> torch.dtype | None:
    """torch's element type of a tensor, or None where it is not known or torch has none."""
    if tensor.dtype is None:
        return None
    found = numpy_type(onnx_type(tensor.dtype))
    try:
        return torch_dtype(found) if found is not None else None
    except KeyError:
        return None


def type_of(t: Translation, index: int = 0) -> torch.dtype:
    """The element type of an input; raises MaterialiseError where it is not known."""
    found = element_type(t.node.inputs[index])
    if found is None:
        raise untranslatable(t, f"the element type of {t.node.inputs[index].name} is not known, or not torch's", _INFER)
    return found


def shared_type(t: Translation, *others: int) -> torch.dtype:
    """The element type of input 0, which output 0 and some other inputs share: whichever of them tells it."""
    inputs = [t.node.inputs[index] for index in (0, *others) if t.has(index)]
    for tensor in (*inputs, t.node.outputs[0]):
        found = element_type(tensor)
        if found is not None:
            return found
    raise untranslatable(t, f"the element type of {t.node.inputs[0].name} is not known, or not torch's", _INFER)


def is_float(dtype: torch.dtype) -> bool:
    """Whether an element type holds fractions."""
    return dtype.is_floating_point


def values_of(t: Translation) -> list[Value]:
    """All inputs as arguments of a call. Scalar constants are Python numbers, so at least one must be a tensor."""
    for tensor in t.node.inputs:
        _require_computable(t, tensor)
    values = [t.value(index) for index in range(t.count) if t.has(index)]
    require(t, any(isinstance(value, fx.Node) for value in values), "all its inputs are scalar constants", FOLD)
    return values


def _require_computable(t: Translation, tensor: gs.Tensor) -> None:
    known = tensor.dtype is None or element_type(tensor) is not None
    require(t, known, f"{tensor.name} is of type {tensor.dtype}", "torch does not compute with this type: add a Cast")


def traced(t: Translation, index: int = 0) -> fx.Node:
    """An input that is a tensor; raises MaterialiseError for a scalar constant, which is a Python number."""
    _require_computable(t, t.node.inputs[index])
    value = t.value(index)
    if not isinstance(value, fx.Node):
        raise untranslatable(t, f"its input {t.node.inputs[index].name} is a scalar constant", FOLD)
    return value


def as_tensor(t: Translation, value: Value, like: fx.Node, dtype: torch.dtype | None = None) -> fx.Node:
    """A value as a tensor: a number becomes a scalar on the device of `like`, of its type unless another is given."""
    if isinstance(value, fx.Node):
        return value
    return t.method("new_full", like, (), value, **({} if dtype is None else {"dtype": dtype}))


def is_read(t: Translation, output: int) -> bool:
    """Whether an optional output of the node is there."""
    return output < len(t.node.outputs) and bool(t.node.outputs[output].name)

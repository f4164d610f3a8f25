"""What is known of constants: everything, as far as they are not too large."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import helper

from graphmorph.channels.values.fact import Fact, Outline
from graphmorph.channels.values.numbering import Numbering
from graphmorph.channels.values.telling import unknown

#: Constants above this many elements are not looked at one by one (weights are read by the rules that contract).
LARGE = 1 << 22

#: Up to here float64 holds every integer.
WHOLE = 2**53


def fact_of_constant(numbering: Numbering, array: np.ndarray) -> Fact:
    """All about a constant, element by element, whatever its size."""
    outline = Outline(array.shape, dtype=int(helper.np_dtype_to_tensor_dtype(array.dtype)))
    if array.size > LARGE or outline.dtype == onnx.TensorProto.STRING or not array.size:
        return unknown(numbering, outline)
    value = np.asarray(array, np.float64) + 0.0
    if array.dtype.kind in "iu" and np.abs(value).max() >= WHOLE:
        return unknown(numbering, outline)
    constant = np.where(np.isfinite(value), value, np.nan)
    low, high = (np.where(np.isnan(value), bound, value) for bound in (-np.inf, np.inf))
    return Fact(outline, constant, low, high, numbering.of_constants(value))


def element_type(tensor: gs.Tensor) -> int | None:
    """The element type as ONNX numbers it, or None."""
    if tensor.dtype is None or isinstance(tensor.dtype, int):
        return tensor.dtype
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype)))

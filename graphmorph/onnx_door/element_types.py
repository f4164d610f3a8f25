"""Element types of ONNX tensors: their numpy types, and how many bytes a tensor of them takes."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import onnx

_BITS_BELOW_ONE_BYTE = {
    "UINT4": 4,
    "INT4": 4,
    "FLOAT4E2M1": 4,
    "UINT2": 2,
    "INT2": 2,
    "FLOAT6E2M3": 6,
    "FLOAT6E3M2": 6,
}
STRING = onnx.TensorProto.STRING


@functools.cache
def _bits() -> dict[int, int]:
    return {
        number: _BITS_BELOW_ONE_BYTE.get(name, 8 * dtype.itemsize)
        for number, dtype in _numpy_types().items()
        for name in [onnx.TensorProto.DataType.Name(number)]
        if number != STRING
    }


@functools.cache
def _numpy_types() -> dict[int, np.dtype]:
    return {
        number: np.dtype(onnx.helper.tensor_dtype_to_np_dtype(number))
        for number in onnx.helper.get_all_tensor_dtypes()
        if number != onnx.TensorProto.UNDEFINED
    }


@functools.cache
def _onnx_types() -> dict[np.dtype, int]:
    return {dtype: number for number, dtype in _numpy_types().items()}


def numpy_type(data_type: int) -> np.dtype | None:
    """The numpy type of an ONNX element type (object for strings), or None where numpy has none."""
    return _numpy_types().get(data_type)


def onnx_type(dtype: np.dtype | type | int) -> int:
    """The ONNX element type of a numpy type; raises TypeError where ONNX has none."""
    if isinstance(dtype, int):
        return dtype
    key = np.dtype(dtype)
    if key.kind == "U":
        return int(STRING)
    found = _onnx_types().get(key.newbyteorder("=") if key.kind in "iufc" else key)
    if found is None:
        raise TypeError(f"ONNX has no element type for numpy's {key}")
    return found


def type_name(data_type: int) -> str:
    """The ONNX name of an element type, or its number where this version of onnx does not know it."""
    known = onnx.TensorProto.DataType.values()
    return str(onnx.TensorProto.DataType.Name(data_type)) if data_type in known else str(data_type)


def is_packed(data_type: int) -> bool:
    """Whether several elements share a byte."""
    return _bits().get(data_type, 8) < 8


def byte_count(data_type: int, dims: Sequence[int]) -> int | None:
    """Bytes of raw data of a tensor, or None for a type without a fixed size (strings, unknown types)."""
    bits = _bits().get(data_type)
    return None if bits is None else (math.prod(dims) * bits + 7) // 8

"""TensorProtos become lazily read values, after their bytes were checked against their dims."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx
from onnx_graphsurgeon.ir.tensor import LazyValues, SparseValues

from graphmorph.errors import ModelFileError
from graphmorph.onnx_door.element_types import STRING, byte_count, is_packed, numpy_type, type_name
from graphmorph.onnx_door.external_data import ExternalFiles
from graphmorph.onnx_door.payloads import PayloadTable
from graphmorph.onnx_door.storage import InlineValues, Storage, StoredValues

_DENSE_LIMIT = 1 << 31
_RANK_LIMIT = 64  # numpy's
_COUNT_LIMIT = 1 << 58  # so that the bytes of any element type fit in 63 bits
_TYPE = onnx.TensorProto
_FIELDS: dict[str, dict[int, int]] = {
    "float_data": {_TYPE.FLOAT: 1, _TYPE.COMPLEX64: 2},
    "double_data": {_TYPE.DOUBLE: 1, _TYPE.COMPLEX128: 2},
    "int64_data": {_TYPE.INT64: 1},
    "uint64_data": {_TYPE.UINT64: 1, _TYPE.UINT32: 1},
}


@dataclass
class TensorReader:
    """Finds the values of the tensors of one skeleton model."""

    model: str
    storage: Storage
    table: PayloadTable[tuple[int, int]]
    external: ExternalFiles

    def values(self, tensor: onnx.TensorProto) -> LazyValues:
        """The values of `tensor`; raises ModelFileError where bytes and dims do not agree."""
        dims = list(tensor.dims)
        self._check_dims(tensor, dims)
        if numpy_type(tensor.data_type) is None:
            raise self._error(tensor, f"has an unknown element type {type_name(tensor.data_type)}")
        if tensor.data_location == _TYPE.EXTERNAL:
            return StoredValues(*self.external.locate(tensor), tensor.data_type, dims)
        token = self.table.token_in(tensor)
        if token is None:
            self._check_count(tensor, dims)
            return InlineValues(tensor)
        offset, length = self.table[token]
        self._check_length(tensor, dims, length)
        return StoredValues(self.storage, offset, length, tensor.data_type, dims)

    def sparse_values(self, sparse: onnx.SparseTensorProto) -> DenseValues:
        """The values of a sparse initializer, which load() makes dense."""
        self._check_dims(sparse.values, list(sparse.dims))
        return DenseValues(sparse, self.values(sparse.values), self.values(sparse.indices))

    def _check_dims(self, tensor: onnx.TensorProto, dims: list[int]) -> None:
        if any(dim < 0 for dim in dims):
            raise self._error(tensor, f"has a negative dimension in {dims[:_RANK_LIMIT]}")
        if len(dims) > _RANK_LIMIT or math.prod(dim or 1 for dim in dims) > _COUNT_LIMIT:
            raise self._error(tensor, f"has absurd dims, {len(dims)} of them: {dims[:8]}")

    def _check_length(self, tensor: onnx.TensorProto, dims: list[int], length: int) -> None:
        needed = byte_count(tensor.data_type, dims)
        if needed != length:
            raise self._error(
                tensor, f"{type_name(tensor.data_type)} {dims} takes {needed} bytes, but {length} are there"
            )

    def _check_count(self, tensor: onnx.TensorProto, dims: list[int]) -> None:
        if tensor.HasField("raw_data"):
            self._check_length(tensor, dims, len(tensor.raw_data))
            return
        count = math.prod(dims)
        if tensor.data_type == STRING:
            found, needed = len(tensor.string_data), count
        else:
            found, needed = _typed_count(tensor, count)
        if found != needed:
            raise self._error(tensor, f"has dims {dims}, so {needed} values, but {found} are there")

    def _error(self, tensor: onnx.TensorProto, reason: str) -> ModelFileError:
        return ModelFileError(f"{self.model}: tensor {tensor.name!r:.80}: {reason}")


def _typed_count(tensor: onnx.TensorProto, count: int) -> tuple[int, int]:
    """How many numbers the tensor's typed field has, and how many it needs for `count` elements."""
    for name, widths in _FIELDS.items():
        if tensor.data_type in widths:
            return len(getattr(tensor, name)), count * widths[tensor.data_type]
    if is_packed(tensor.data_type):
        return len(tensor.int32_data), byte_count(tensor.data_type, [count]) or 0
    return len(tensor.int32_data), count


class DenseValues(SparseValues):
    """A sparse initializer; graphsurgeon's own reader loses the type and cannot read raw data."""

    def __init__(self, sparse: onnx.SparseTensorProto, values: LazyValues, indices: LazyValues) -> None:
        self.tensor = sparse
        self.shape = list(sparse.dims)
        self.dtype = values.dtype
        self.nbytes = math.prod(self.shape) * values.dtype.itemsize
        self._values = values
        self._indices = indices

    def load(self) -> np.ndarray:
        """The values as a dense read-only array; raises ModelFileError if it is absurd or out of bounds."""
        name = self.tensor.values.name
        if self.nbytes > _DENSE_LIMIT:
            raise ModelFileError(f"sparse tensor {name!r:.80} of shape {self.shape} is too large to be made dense")
        indices = self._indices.load().astype(np.int64)
        flat = indices if indices.ndim == 1 else _linear(indices, self.shape)
        size = math.prod(self.shape)
        if flat.size and (int(flat.min()) < 0 or int(flat.max()) >= size):
            raise ModelFileError(f"sparse tensor {name!r:.80} has an index outside of {self.shape}")
        dense = np.zeros(size, self.dtype)
        dense[flat] = self._values.load().reshape(-1)
        dense = dense.reshape(self.shape)
        dense.flags.writeable = False
        return dense


def _linear(indices: np.ndarray, shape: list[int]) -> np.ndarray:
    """Indices (nnz, rank) as positions (nnz,) in the flattened tensor."""
    strides = np.cumprod([1, *shape[:0:-1]], dtype=np.int64)[::-1]
    return np.asarray(indices @ strides)

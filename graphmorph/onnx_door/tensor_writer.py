"""Constants become TensorProtos again: the very one that was read where nobody changed it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx_graphsurgeon.ir.tensor import LazyValues

from graphmorph.errors import ModelFileError
from graphmorph.onnx_door.element_types import STRING, is_packed, onnx_type
from graphmorph.onnx_door.layout import INLINE_UP_TO, ArrayBytes, Layout, stored_bytes
from graphmorph.onnx_door.storage import InlineValues, StoredValues
from graphmorph.onnx_door.tensors import DenseValues, TensorReader


@dataclass
class TensorWriter:
    """Writes constants into one layout; `reader` reads the tensors of the model that they came from."""

    reader: TensorReader | None
    layout: Layout

    def write(self, constant: gs.Constant, original: onnx.TensorProto | None, initializer: bool) -> onnx.TensorProto:
        """The tensor of a constant; initializers, and what was external, may go to the data file."""
        if original is not None and self.is_unchanged(constant, original):
            return self.keep(original, initializer)
        tensor = onnx.TensorProto(name=constant.name)
        try:
            self._fill(tensor, constant, initializer)
        except TypeError as error:
            raise ModelFileError(f"constant {constant.name!r:.80} cannot be written: {error}") from error
        return tensor

    def keep(self, original: onnx.TensorProto, initializer: bool) -> onnx.TensorProto:
        """A tensor as it was read, moved to where the layout wants its bytes."""
        was_external = original.data_location == onnx.TensorProto.EXTERNAL
        if self.reader is None or not (was_external or (initializer and self.layout.data is not None)):
            return original
        values = self.reader.values(original)
        if not isinstance(values, StoredValues):
            return original
        tensor = onnx.TensorProto(name=original.name)
        tensor.CopyFrom(original)
        for field in ("external_data", "data_location", "raw_data", "float_data", "double_data"):
            tensor.ClearField(field)
        self.layout.put(tensor, stored_bytes(values), external=True)
        return tensor

    def is_unchanged(self, constant: gs.Constant, original: onnx.TensorProto) -> bool:
        """Whether the constant still has the values of the tensor that it was read from."""
        if self.reader is None or constant.name != original.name:
            return False
        values, stored = constant._values, self.reader.values(original)
        if isinstance(values, StoredValues) and isinstance(stored, StoredValues):
            places = [(v.storage, v.offset, v.nbytes, v.data_type, v.shape) for v in (values, stored)]
            if places[0] == places[1]:
                return True
        if isinstance(values, InlineValues) and isinstance(stored, InlineValues):
            return values.tensor is original or bool(values.tensor == original)
        if isinstance(values, LazyValues) and not isinstance(values, StoredValues | InlineValues):
            return False
        return _same_array(values, stored)

    def _fill(self, tensor: onnx.TensorProto, constant: gs.Constant, initializer: bool) -> None:
        values = constant._values
        if isinstance(values, StoredValues):
            tensor.dims.extend(values.shape)
            tensor.data_type = values.data_type
            external = initializer and values.nbytes > INLINE_UP_TO
            self.layout.put(tensor, stored_bytes(values), external)
            return
        if isinstance(values, InlineValues):
            tensor.CopyFrom(values.tensor)
            tensor.name = constant.name
            return
        array = np.asarray(values.load() if isinstance(values, LazyValues) else values)
        data_type = onnx_type(array.dtype)
        if data_type == STRING or is_packed(data_type) or array.nbytes <= INLINE_UP_TO:
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, constant.name))
            if len(tensor.raw_data) <= INLINE_UP_TO:
                return
            packed = np.frombuffer(tensor.raw_data, np.uint8)
            tensor.ClearField("raw_data")
            self.layout.put(tensor, ArrayBytes(packed), initializer)
            return
        tensor.dims.extend(array.shape)
        tensor.data_type = data_type
        self.layout.put(tensor, ArrayBytes(array), initializer)


def sparse_unchanged(constant: gs.Constant, original: onnx.SparseTensorProto) -> bool:
    """Whether a sparse initializer still is the one that was read."""
    values = constant._values
    return isinstance(values, DenseValues) and bool(values.tensor == original)


def _same_array(values: np.ndarray | LazyValues, stored: LazyValues) -> bool:
    """Equal in type, shape and every byte (NaNs included); both are read only if type and shape agree."""
    if list(values.shape) != list(stored.shape) or values.dtype != stored.dtype:
        return False
    one = np.asarray(values.load() if isinstance(values, LazyValues) else values)
    other = stored.load()
    if one.dtype.kind == "O":
        return bool(np.array_equal(one, other))
    return bool(np.array_equal(_raw(one), _raw(other)))


def _raw(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)

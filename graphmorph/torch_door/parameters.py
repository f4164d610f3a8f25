"""Parameters and buffers as constants of a graph: read on demand, without a copy, and never written into."""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import torch
from onnx_graphsurgeon.ir.tensor import LazyValues

from graphmorph.onnx_door.element_types import onnx_type
from graphmorph.torch_door.element_types import array_of, numpy_dtype


class ParameterValues(LazyValues):
    """The values of a tensor of the module, or of its transpose.

    `load` gives a read-only view of the tensor's own memory (a copy where it lies on another device), so it follows an
    optimiser, and writing into it raises ValueError.
    """

    def __init__(self, source: torch.Tensor, transposed: bool = False) -> None:
        dtype = numpy_dtype(source.dtype)
        if dtype is None:
            raise TypeError(f"no numpy element type for {source.dtype}")
        self.source = source
        self.transposed = transposed
        self.dtype = dtype
        self.shape = list(reversed(source.shape)) if transposed else list(source.shape)
        self.nbytes = math.prod(self.shape) * dtype.itemsize

    def load(self) -> np.ndarray:
        array = array_of(self.source)
        view = (array.T if self.transposed else array).view()
        view.flags.writeable = False
        return view

    @property
    def tensor(self) -> onnx.TensorProto:
        """The values as a TensorProto, for graphsurgeon's own exporter; built at each access."""
        array = np.ascontiguousarray(self.load())
        return onnx.TensorProto(dims=self.shape, data_type=onnx_type(self.dtype), raw_data=array.tobytes())


def source_of(constant: gs.Constant, known: ParameterValues | None) -> torch.Tensor | None:
    """The tensor of the module that a constant still is, or None where a pass made it anew.

    graphsurgeon forgets a lazy value once somebody reads `.values`; the array that takes its place is then `known`'s.
    """
    values = constant._values
    if isinstance(values, ParameterValues):
        return values.source
    if known is None or not isinstance(values, np.ndarray):
        return None
    ours = known.load()
    same = values.__array_interface__ == ours.__array_interface__
    return known.source if same else None

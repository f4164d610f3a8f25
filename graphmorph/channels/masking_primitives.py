"""Primitive operators that normalisations are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.channels.elements import Read
from graphmorph.channels.masking_factors import Factors
from graphmorph.channels.masking_site import MaskingSite
from graphmorph.facts import Dimension
from graphmorph.onnx_door.element_types import onnx_type

#: ReduceMean takes its axes as an input from this version on.
_AXES_INPUT = 18


class Primitives:
    """The primitives. Statistics of half-precision tensors are taken in single precision, as the operators do."""

    def __init__(self, site: MaskingSite, rank: int) -> None:
        self.site, self.node, self.rank = site, site.node, rank
        given = site.node.inputs[0]
        self.shape: Sequence[Dimension] = site.shape(given) or (None,) * rank
        self.given_dtype = site.dtype(given)
        half = self.given_dtype.itemsize == 2
        self.dtype = np.dtype(np.float32) if half else self.given_dtype
        self.x = self.cast(given, self.dtype) if half else given

    def attr(self, name: str, default: Any) -> Any:
        return self.node.attrs.get(name, default)

    def cast(self, tensor: gs.Tensor, dtype: np.dtype[Any]) -> gs.Tensor:
        return self.site.emit(
            "Cast", [tensor], gs.Variable("", dtype), {"to": onnx_type(dtype)}, self.site.shape(tensor) or ()
        )

    def emit(
        self,
        op: str,
        *inputs: gs.Tensor,
        attrs: Mapping[str, Any] | None = None,
        shape: Sequence[Dimension] | None = None,
    ) -> gs.Tensor:
        """A node whose output is like the input, but for its shape where one is given."""
        return self.site.emit(op, inputs, self.x, attrs, shape)

    def number(self, value: float) -> gs.Tensor:
        return self.site.constant(f"{self.node.outputs[0].name}_epsilon", np.asarray(value, self.dtype))

    def integers(self, *values: int) -> gs.Tensor:
        return self.site.constant(f"{self.node.outputs[0].name}_axes", np.asarray(values, np.int64))

    def masks(self, reads: Sequence[Read], factors: Factors) -> list[gs.Tensor]:
        return [factors.factor(self.site, 0, read.axis, "mean", self.dtype) for read in reads]

    def mean(self, values: gs.Tensor, axes: Sequence[int], masks: Sequence[gs.Tensor] = ()) -> gs.Tensor:
        """The weighted mean over axes, which stay with size 1."""
        for mask in masks:
            values = self.emit("Mul", values, mask)
        known = self.site.shape(values) or self.shape
        shape = [1 if axis in axes else size for axis, size in enumerate(known)]
        if self.site.facts.opset < _AXES_INPUT:
            return self.emit("ReduceMean", values, attrs={"axes": list(axes), "keepdims": 1}, shape=shape)
        return self.emit("ReduceMean", values, self.integers(*axes), attrs={"keepdims": 1}, shape=shape)

    def over_deviation(self, centred: gs.Tensor, variance: gs.Tensor) -> gs.Tensor:
        shape = self.site.shape(variance)
        shifted = self.emit("Add", variance, self.number(float(self.attr("epsilon", 1e-5))), shape=shape)
        return self.emit("Div", centred, self.emit("Sqrt", shifted, shape=shape), shape=self.site.shape(centred))

    def scaled(self, normalised: gs.Tensor, scale: gs.Tensor, bias: gs.Tensor | None) -> gs.Tensor:
        """In the type of the input again."""
        if self.dtype != self.given_dtype:
            normalised = self.cast(normalised, self.given_dtype)
        product = self.site.emit("Mul", [normalised, scale], normalised)
        return product if bias is None else self.site.emit("Add", [product, bias], normalised)

    def input(self, index: int) -> gs.Tensor | None:
        """An input that may be left out."""
        given = index < len(self.node.inputs) and self.node.inputs[index].name
        return self.node.inputs[index] if given else None

    def column(self, index: int, trailing: int) -> gs.Tensor:
        """A vector input as (size, 1, ...)."""
        vector = self.node.inputs[index]
        target = self.integers(-1, *(1,) * trailing)
        shape = (*(self.site.shape(vector) or (None,)), *(1,) * trailing)
        return self.site.emit("Reshape", [vector, target], vector, shape=shape)

"""Builds an ONNX model node by node and knows the sizes of every tensor at each of the input sizes to be
tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import helper

from tests.regions.choices import Choices

DOUBLE, FLOAT = onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT
FLOAT16, BFLOAT16 = onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16
NUMPY_TYPES: dict[int, Any] = {
    DOUBLE: np.float64,
    FLOAT: np.float32,
    FLOAT16: np.float16,
    BFLOAT16: ml_dtypes.bfloat16,
}
TO_THE_END = 2**31 - 1
Feeds = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Tensor:
    """(batch, channels, *sizes); `sizes` holds one tuple for each of the input sizes to be tried."""

    name: str
    channels: int
    sizes: tuple[tuple[int, ...], ...]

    @property
    def spatial(self) -> int:
        return len(self.sizes[0])


@dataclass(frozen=True)
class Region:
    """A model, the shapes to feed it with, and what it was made of."""

    model: onnx.ModelProto
    feeds: tuple[Feeds, ...]
    features: frozenset[str]


@dataclass
class Builder:
    """Nodes and weights so far. Every method that adds a node returns the tensor that it produces."""

    choices: Choices
    dtype: int = DOUBLE
    opset: int = 17
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: dict[str, onnx.TensorProto] = field(default_factory=dict)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    feeds: list[Feeds] = field(default_factory=list)
    features: set[str] = field(default_factory=set)
    constant_nodes: bool = False

    def name(self, stem: str) -> str:
        return f"{stem}_{len(self.nodes) + len(self.weights) + len(self.inputs)}"

    def source(
        self, channels: int, sizes: Sequence[tuple[int, ...]], batches: Sequence[int], dims: Sequence[Any]
    ) -> Tensor:
        """A graph input; `dims` are the declared dimensions, integers or symbols, of all axes."""
        name = f"x{len(self.inputs)}"
        self.inputs.append(helper.make_tensor_value_info(name, self.dtype, list(dims)))
        if not self.feeds:
            self.feeds = [{} for _ in sizes]
        for feeds, batch, size in zip(self.feeds, batches, sizes, strict=True):
            feeds[name] = (batch, channels, *size)
        return Tensor(name, channels, tuple(sizes))

    def normal(self, *shape: int, stem: str = "w") -> str:
        """A new constant of Gaussian weights."""
        return self.constant(self.choices.numbers.standard_normal(shape), stem)

    def constant(self, array: Any, stem: str = "c") -> str:
        """A new float constant in the model's type; an initializer, or a Constant node where the model has
        those.
        """
        name, values = self.name(stem), np.asarray(array, dtype=np.float64)
        tensor = onnx.numpy_helper.from_array(values.astype(NUMPY_TYPES[self.dtype]), name)
        return self._store(name, tensor)

    def integers(self, values: Sequence[Any]) -> str:
        name = self.name("i")
        return self._store(name, onnx.numpy_helper.from_array(np.array(values, dtype=np.int64), name))

    def _store(self, name: str, tensor: onnx.TensorProto) -> str:
        if self.constant_nodes:
            self.features.add("constant node")
            self.nodes.append(helper.make_node("Constant", [], [name], name=name, value=tensor))
        else:
            self.weights[name] = tensor
        return name

    def node(self, op: str, inputs: Sequence[str], domain: str = "", **attrs: Any) -> str:
        output = self.name(op.lower())
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"node_{output}", domain=domain, **attrs))
        self.features.add(op)
        return output

    def region(self, outputs: Sequence[str], ir_version: int = 8, **model_fields: Any) -> Region:
        """The finished model; the shapes of its outputs are inferred."""
        infos = [helper.make_tensor_value_info(name, self.dtype, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "region", self.inputs, infos, list(self.weights.values()))
        opsets = [helper.make_opsetid("", self.opset), *model_fields.pop("opsets", [])]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=ir_version, **model_fields)
        inferred = onnx.shape_inference.infer_shapes(model)
        for declared, found in zip(model.graph.output, inferred.graph.output, strict=True):
            declared.CopyFrom(found)
        return Region(model, tuple(self.feeds), frozenset(self.features))

    # --- operators, with their sizes
    # -------------------------------------------------------------------------

    def conv(
        self,
        x: Tensor,
        out: int,
        kernel: Sequence[int],
        *,
        strides: Sequence[int] = (),
        dilations: Sequence[int] = (),
        pads: Sequence[int] = (),
        group: int = 1,
        bias: bool = False,
        auto_pad: str = "",
        weight: str = "",
    ) -> Tensor:
        rank = x.spatial
        strides, dilations = list(strides) or [1] * rank, list(dilations) or [1] * rank
        pads = list(pads) or [0] * 2 * rank
        shape = (out, x.channels // group, *kernel)
        names = [x.name, weight or self._weight(shape), *([self.normal(out, stem="b")] if bias else [])]
        attrs: dict[str, Any] = {"kernel_shape": list(kernel)} if self.choices.chance(0.7) else {}
        attrs |= _unless(strides=strides, default=[1] * rank) | _unless(dilations=dilations, default=[1] * rank)
        attrs |= {"auto_pad": auto_pad} if auto_pad else _unless(pads=pads, default=[0] * 2 * rank)
        attrs |= _unless(group=group, default=1)
        extents = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
        if auto_pad.startswith("SAME"):
            sizes = tuple(tuple(-(-n // s) for n, s in zip(size, strides, strict=True)) for size in x.sizes)
        else:
            sizes = windowed(x.sizes, extents, strides, pads)
        return Tensor(self.node("Conv", names, **attrs), out, sizes)

    def _weight(self, shape: tuple[int, ...]) -> str:
        same = [name for name, tensor in self.weights.items() if tuple(tensor.dims) == shape and name[0] == "w"]
        if same and self.choices.chance(0.2):
            self.features.add("shared weight")
            return self.choices.pick(same)
        return self.normal(*shape)

    def batch_normalization(self, x: Tensor, **attrs: Any) -> Tensor:
        names = [self.normal(x.channels, stem=stem) for stem in ("scale", "shift", "mean")]
        names.append(self.constant(np.abs(self.choices.numbers.standard_normal(x.channels)) + 0.3, "var"))
        given: list[dict[str, Any]] = [{}, {"epsilon": 1e-5}, {"epsilon": 1e-3}, {"epsilon": 0.1}]
        attrs = {**self.choices.pick(given), **attrs}
        if self.choices.chance(0.3):
            attrs["momentum"] = 0.9
        return Tensor(self.node("BatchNormalization", [x.name, *names], **attrs), x.channels, x.sizes)

    def average(self, x: Tensor, kernel: Sequence[int], strides: Sequence[int], **attrs: Any) -> Tensor:
        pads = attrs.get("pads", [0] * 2 * x.spatial)
        name = self.node("AveragePool", [x.name], kernel_shape=list(kernel), strides=list(strides), **attrs)
        return Tensor(name, x.channels, windowed(x.sizes, kernel, strides, pads))

    def pad(
        self,
        x: Tensor,
        begins: Sequence[int],
        ends: Sequence[int],
        value: float | None = None,
        mode: str = "",
    ) -> Tensor:
        """Spatial Pad, in the form that the opset has: attributes, inputs, or inputs with axes."""
        rank = x.spatial
        widths = [0, 0, *begins, 0, 0, *ends]
        attrs: dict[str, Any] = {"mode": mode} if mode else {}
        if self.opset < 11:
            attrs |= {"pads": widths} | ({} if value is None else {"value": value})
            name = self.node("Pad", [x.name], **attrs)
        elif self.opset >= 18 and self.choices.chance(0.5):
            axes = [axis - rank for axis in range(rank)]
            middle = "" if value is None else self.constant(value)
            name = self.node("Pad", [x.name, self.integers([*begins, *ends]), middle, self.integers(axes)], **attrs)
            self.features.add("Pad axes")
        else:
            inputs = [x.name, self.integers(widths), *([] if value is None else [self.constant(value)])]
            name = self.node("Pad", inputs, **attrs)
        sizes = tuple(tuple(n + b + e for n, b, e in zip(size, begins, ends, strict=True)) for size in x.sizes)
        return Tensor(name, x.channels, sizes)

    def crop(self, x: Tensor, begins: Sequence[int], ends: Sequence[int], *, absolute: bool = False) -> Tensor:
        """Slice off `begins` and `ends` positions; `absolute` writes the end as a position of the (static)
        size.
        """
        axes = [a for a in range(x.spatial) if begins[a] or ends[a]] or [0]
        stops = [x.sizes[0][a] - ends[a] if absolute else (-ends[a] if ends[a] else TO_THE_END) for a in axes]
        starts = [begins[a] for a in axes]
        if self.opset < 10:
            name = self.node("Slice", [x.name], starts=starts, ends=stops, axes=[a + 2 for a in axes])
        else:
            places = [a + 2 if self.choices.chance(0.7) else a - x.spatial for a in axes]
            rows = [starts, stops, places, *([[1] * len(axes)] if self.choices.chance(0.3) else [])]
            name = self.node("Slice", [x.name, *(self.integers(row) for row in rows)])
        sizes = tuple(tuple(max(n - b - e, 0) for n, b, e in zip(size, begins, ends, strict=True)) for size in x.sizes)
        return Tensor(name, x.channels, sizes)

    def unary(self, op: str, x: Tensor, **attrs: Any) -> Tensor:
        return Tensor(self.node(op, [x.name], **attrs), x.channels, x.sizes)

    def binary(self, op: str, a: Tensor, b: Tensor) -> Tensor:
        """Elementwise on tensors that may broadcast against each other."""
        sizes = tuple(
            tuple(m if n == 1 else n for m, n in zip(left, right, strict=True))
            for left, right in zip(a.sizes, b.sizes, strict=True)
        )
        return Tensor(self.node(op, [a.name, b.name]), max(a.channels, b.channels), sizes)


def _unless(default: Any, **attr: Any) -> dict[str, Any]:
    """The attribute, unless it has its default value."""
    return {} if next(iter(attr.values())) == default else attr


def windowed(
    sizes: tuple[tuple[int, ...], ...], extents: Sequence[int], strides: Sequence[int], pads: Sequence[int]
) -> tuple[tuple[int, ...], ...]:
    """Output sizes of a sliding window."""
    rank = len(extents)
    return tuple(
        tuple((size[a] + pads[a] + pads[rank + a] - extents[a]) // strides[a] + 1 for a in range(rank))
        for size in sizes
    )

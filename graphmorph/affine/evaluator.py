"""A small float64 interpreter of the affine ONNX operators: the independent witness of the affine algebra.

onnxruntime has no float64 Conv or AveragePool on CPU, and what the algebra in this package claims must not be
checked with its own code. So this follows the ONNX operator specifications directly, imports nothing of the
algebra, and works at inference: training-mode BatchNormalization or Dropout is an EvaluationError.

With `magnitude=True` the same nodes are evaluated on absolute values (|w|, |b|, and every minus a plus). Fed
with |x| this gives, element by element, the sum of the magnitudes of all that was added up: the scale of the
rounding error, which cancellation in the value itself would hide.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_graphsurgeon as gs

from graphmorph.affine.evaluator_arrays import (
    Array,
    average,
    convolve,
    convolve_transposed,
    crop_or_pad,
    explicit_pads,
    pads_to_reach,
    slice_positions,
)
from graphmorph.errors import GraphmorphError
from graphmorph.graph import constant_array

Values = dict[str, Array]
_FLOAT_TYPES = {1, 10, 11, 16}  # onnx.TensorProto FLOAT, FLOAT16, DOUBLE, BFLOAT16


class EvaluationError(GraphmorphError):
    """A node that this evaluator cannot compute; the message names the node, the op and the shapes."""


@dataclass(frozen=True)
class _Context:
    """What an operator needs beside its inputs."""

    opset: int
    magnitude: bool
    attrs: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 1

    def ints(self, name: str, default: Sequence[int]) -> list[int]:
        return [int(value) for value in self.attrs.get(name, default)]

    def scalar(self, name: str, default: float) -> float:
        value = float(self.attrs.get(name, default))
        return abs(value) if self.magnitude else value


Operator = Callable[[_Context, list[Any]], Array]


def evaluate(
    nodes: Sequence[gs.Node],
    feeds: Mapping[str, Array],
    opset: int,
    *,
    constants: Mapping[str, Array] | None = None,
    magnitude: bool = False,
) -> Values:
    """Every tensor that `nodes`, in any order, produce from `feeds`, by name, in float64.

    `constants` replaces the values of gs.Constants by name, so that weights can be evaluated before they are
    rounded. Raises EvaluationError for an operator, attribute or shape that is not supported, and for a
    tensor that is missing.
    """
    values: Values = {name: _widened(array) for name, array in feeds.items()}
    known: dict[str, npt.NDArray[Any]] = dict(constants or {})
    produced: Values = {}
    for node in in_order(nodes, values):
        inputs = [_read(node, tensor, values, known, magnitude) for tensor in node.inputs]
        result = _compute(node, inputs, opset, magnitude)
        values[node.outputs[0].name] = produced[node.outputs[0].name] = result
    return produced


def is_supported(node: gs.Node) -> bool:
    """Whether there is an operator for this node's type; its attributes may still be refused by
    `evaluate`.
    """
    return node.domain in (None, "", "ai.onnx") and node.op in _OPERATORS


def in_order(nodes: Sequence[gs.Node], fed: Collection[str]) -> list[gs.Node]:
    """Nodes in an order in which each comes after the producers of what it reads."""
    producer = {tensor.name: node for node in nodes for tensor in node.outputs if tensor.name}
    order: list[gs.Node] = []
    done: set[int] = set()
    for start in nodes:
        stack = [(start, False)]
        while stack:
            node, ready = stack.pop()
            if id(node) in done:
                continue
            if ready:
                done.add(id(node))
                order.append(node)
                continue
            stack.append((node, True))
            for tensor in node.inputs:
                before = producer.get(tensor.name) if tensor.name not in fed else None
                if before is not None and id(before) not in done:
                    stack.append((before, False))
    return order


def _read(node: gs.Node, tensor: Any, values: Values, known: dict[str, npt.NDArray[Any]], magnitude: bool) -> Any:
    """Value of one input, None when it is omitted."""
    if not tensor.name:
        return None
    if tensor.name in values:
        return values[tensor.name]
    if tensor.name not in known:
        if not isinstance(tensor, gs.Constant):
            raise EvaluationError(f"{_where(node)}: tensor '{tensor.name}' is neither fed, produced nor constant")
        known[tensor.name] = constant_array(tensor)
    array = _widened(known[tensor.name])
    return np.abs(array) if magnitude and array.dtype == np.float64 else array


def _widened(array: npt.ArrayLike) -> npt.NDArray[Any]:
    """Floats of any type as float64; integers (pads, indices) and booleans as they are."""
    array = np.asarray(array)
    return array if array.dtype.kind in "iub" else array.astype(np.float64, copy=False)


def _where(node: gs.Node) -> str:
    return f"{node.op} '{node.name or (node.outputs[0].name if node.outputs else '')}'"


def _compute(node: gs.Node, inputs: list[Any], opset: int, magnitude: bool) -> Array:
    if not is_supported(node):
        domain = f" of domain '{node.domain}'" if node.domain else ""
        raise EvaluationError(f"{_where(node)}: no float64 evaluation of this operator{domain}")
    wanted = sum(1 for tensor in node.outputs if tensor.name)
    context = _Context(opset, magnitude, node.attrs, wanted)
    shapes = [None if array is None else array.shape for array in inputs]
    try:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return _widened(_OPERATORS[node.op](context, inputs))
    except (EvaluationError, ValueError, IndexError, TypeError) as error:
        raise EvaluationError(f"{_where(node)} on shapes {shapes}: {error}") from error


def _channelwise(vector: Array, rank: int) -> Array:
    return vector.reshape(1, -1, *([1] * (rank - 2)))


def _conv(context: _Context, inputs: list[Any]) -> Array:
    x, weight, *rest = inputs
    rank = x.ndim - 2
    strides, dilations = context.ints("strides", [1] * rank), context.ints("dilations", [1] * rank)
    extents = [d * (k - 1) + 1 for d, k in zip(dilations, weight.shape[2:], strict=True)]
    auto_pad, pads = context.attrs.get("auto_pad", "NOTSET"), context.ints("pads", [0] * 2 * rank)
    pairs = explicit_pads(auto_pad, pads, x.shape[2:], extents, strides)
    result = convolve(x, weight, strides, dilations, pairs, int(context.attrs.get("group", 1)))
    return result + _channelwise(rest[0], x.ndim) if rest and rest[0] is not None else result


def _conv_transpose(context: _Context, inputs: list[Any]) -> Array:
    x, weight, *rest = inputs
    rank = x.ndim - 2
    strides, dilations = context.ints("strides", [1] * rank), context.ints("dilations", [1] * rank)
    extra = context.ints("output_padding", [0] * rank)
    auto_pad = context.attrs.get("auto_pad", "NOTSET")
    natural = [
        s * (n - 1) + d * (k - 1) + 1 + e
        for n, k, s, d, e in zip(x.shape[2:], weight.shape[2:], strides, dilations, extra, strict=True)
    ]
    wanted = context.ints("output_shape", [])[-rank:]
    if not wanted and auto_pad.startswith("SAME"):
        wanted = [n * s for n, s in zip(x.shape[2:], strides, strict=True)]
    if wanted:
        pairs = pads_to_reach(wanted, natural, auto_pad)
    else:
        pads = context.ints("pads", [0] * 2 * rank)
        pairs = explicit_pads(auto_pad, pads, x.shape[2:], [1] * rank, strides)
    groups = int(context.attrs.get("group", 1))
    result = convolve_transposed(x, weight, strides, dilations, pairs, extra, groups)
    return result + _channelwise(rest[0], x.ndim) if rest and rest[0] is not None else result


def _batch_normalization(context: _Context, inputs: list[Any]) -> Array:
    x, scale, shift, mean, variance = inputs
    flag = "is_test" if context.opset < 7 else "training_mode"
    training = bool(context.attrs.get(flag, 0)) == (flag == "training_mode")
    if training or context.outputs > 1:
        raise EvaluationError("in training mode")
    deviation = np.sqrt(variance + float(context.attrs.get("epsilon", 1e-5)))

    def fit(values: Array) -> Array:
        # spatial=0 (before opset 9) has one statistic for each element of a sample instead of each channel.
        return _channelwise(values, x.ndim) if values.ndim == 1 else values[np.newaxis]

    centred = x + fit(mean) if context.magnitude else x - fit(mean)
    return np.asarray(centred * fit(scale / deviation) + fit(shift))


def _average_pool(context: _Context, inputs: list[Any]) -> Array:
    (x,) = inputs
    rank = x.ndim - 2
    kernel = context.ints("kernel_shape", [])
    strides, dilations = context.ints("strides", [1] * rank), context.ints("dilations", [1] * rank)
    extents = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    auto_pad, pads = context.attrs.get("auto_pad", "NOTSET"), context.ints("pads", [0] * 2 * rank)
    pairs = explicit_pads(auto_pad, pads, x.shape[2:], extents, strides)
    include, ceil = bool(context.attrs.get("count_include_pad", 0)), bool(context.attrs.get("ceil_mode", 0))
    return average(x, kernel, strides, dilations, pairs, count_include_pad=include, ceil_mode=ceil)


def _global_average_pool(context: _Context, inputs: list[Any]) -> Array:
    (x,) = inputs
    return np.asarray(x.mean(axis=tuple(range(2, x.ndim)), keepdims=True))


def _pad(context: _Context, inputs: list[Any]) -> Array:
    x, *rest = inputs
    if context.attrs.get("mode", "constant") != "constant":
        raise EvaluationError(f"mode {context.attrs['mode']} is not affine in the sense of this evaluator")
    if context.opset < 11:
        widths, value = context.ints("pads", context.ints("paddings", [])), context.scalar("value", 0.0)
        axes = list(range(x.ndim))
    else:
        widths, value = [int(width) for width in rest[0]], _optional(rest, 1, 0.0)
        axes = [int(axis) for axis in _optional(rest, 2, range(x.ndim))]
    pairs = [(0, 0)] * x.ndim
    for place, axis in enumerate(axes):
        pairs[axis] = (widths[place], widths[len(axes) + place])
    return crop_or_pad(x, pairs, float(np.asarray(value).reshape(())))


def _optional(inputs: list[Any], place: int, default: Any) -> Any:
    return default if len(inputs) <= place or inputs[place] is None else inputs[place]


def _slice(context: _Context, inputs: list[Any]) -> Array:
    x, *rest = inputs
    if context.opset < 10:
        starts, ends = context.ints("starts", []), context.ints("ends", [])
        axes, steps = context.ints("axes", range(len(starts))), [1] * len(starts)
    else:
        starts, ends = rest[0].tolist(), rest[1].tolist()
        axes = list(_optional(rest, 2, range(len(starts))))
        steps = [int(step) for step in _optional(rest, 3, [1] * len(starts))]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        x = np.take(x, slice_positions(x.shape[axis], start, end, step), axis=axis)
    return np.asarray(x)


def _gemm(context: _Context, inputs: list[Any]) -> Array:
    a, b, *rest = inputs
    a = a.T if context.attrs.get("transA", 0) else a
    b = b.T if context.attrs.get("transB", 0) else b
    result = context.scalar("alpha", 1.0) * np.matmul(a, b)
    if rest and rest[0] is not None:
        result = result + context.scalar("beta", 1.0) * rest[0]
    return np.asarray(result)


def _elementwise(operation: Callable[[Any, Any], Any], on_magnitudes: Callable[[Any, Any], Any]) -> Operator:
    def compute(context: _Context, inputs: list[Any]) -> Array:
        a, b = inputs
        if context.opset < 7 and context.attrs.get("broadcast", 0):
            axis = int(context.attrs.get("axis", a.ndim - b.ndim))
            b = b.reshape(*b.shape, *([1] * (a.ndim - axis % max(a.ndim, 1) - b.ndim)))
        return np.asarray((on_magnitudes if context.magnitude else operation)(a, b))

    return compute


def _neg(context: _Context, inputs: list[Any]) -> Array:
    return np.asarray(inputs[0] if context.magnitude else -inputs[0])


def _dropout(context: _Context, inputs: list[Any]) -> Array:
    if np.any(_optional(inputs, 2, False)):
        raise EvaluationError("in training mode")
    return np.asarray(inputs[0])


def _cast(context: _Context, inputs: list[Any]) -> Array:
    if int(context.attrs["to"]) not in _FLOAT_TYPES or inputs[0].dtype.kind != "f":
        raise EvaluationError("only casts between float types can be evaluated")
    return np.asarray(inputs[0])


def _transpose(context: _Context, inputs: list[Any]) -> Array:
    (x,) = inputs
    return np.asarray(np.transpose(x, context.ints("perm", range(x.ndim)[::-1])))


def _scatter_nd(context: _Context, inputs: list[Any]) -> Array:
    data, indices, updates = inputs
    if context.attrs.get("reduction", "none") != "none":
        raise EvaluationError(f"reduction {context.attrs['reduction']}")
    result = data.copy()
    result[tuple(np.moveaxis(indices, -1, 0))] = updates
    return np.asarray(result)


def _constant(context: _Context, inputs: list[Any]) -> Array:
    value = next(iter(context.attrs.values()))
    array = np.asarray(constant_array(value) if isinstance(value, gs.Constant) else value)
    return np.abs(array) if context.magnitude and array.dtype.kind not in "iub" else array


_OPERATORS: dict[str, Operator] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "BatchNormalization": _batch_normalization,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average_pool,
    "Add": _elementwise(np.add, np.add),
    "Sub": _elementwise(np.subtract, np.add),
    "Mul": _elementwise(np.multiply, np.multiply),
    "Div": _elementwise(np.divide, np.divide),
    "Neg": _neg,
    "Sum": lambda _, inputs: reduce(np.add, inputs),
    "Pad": _pad,
    "Slice": _slice,
    "Gemm": _gemm,
    "MatMul": lambda _, inputs: np.matmul(*inputs),
    "Identity": lambda _, inputs: inputs[0],
    "Dropout": _dropout,
    "Cast": _cast,
    "Transpose": _transpose,
    "ScatterND": _scatter_nd,
    "Constant": _constant,
}

"""The nodes of a new layer, for whoever can make nodes and constants: an editor, or a graph of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.layer_insertion.new_layer import FirstHalf
from graphmorph.layer_insertion.place import Kind

#: Of the batch normalisation, as in torch, and as the float32 that an attribute is.
EPSILON = float(np.float32(1e-5))


class Emitter(Protocol):
    """Makes nodes and constants; `opset` is that of the graph that they are for."""

    opset: int

    def node(
        self, op: str, name: str, inputs: Sequence[gs.Tensor], attrs: Mapping[str, Any] | None = None
    ) -> gs.Tensor:
        """A node with one output, which has the sizes of what the new layer gives."""
        ...

    def constant(self, name: str, values: NDArray[Any]) -> gs.Constant:
        """A constant: floats in the type of the layer, integers as they are."""
        ...


def emit_layer(first: FirstHalf, kind: Kind, source: gs.Tensor, name: str, emitter: Emitter) -> gs.Tensor:
    """Nodes of the new layer behind a tensor; what it gives."""
    made = _product(first, kind, source, name, emitter)
    if first.statistics is not None:
        made = _normalised(first, made, name, emitter)
    return _activated(first, kind, made, name, emitter)


def same_pads(kernel: Sequence[int]) -> list[int]:
    """Pads that keep all positions, begins then ends; an even kernel reaches further at the end."""
    return [*((size - 1) // 2 for size in kernel), *(size // 2 for size in kernel)]


def _product(first: FirstHalf, kind: Kind, source: gs.Tensor, name: str, emitter: Emitter) -> gs.Tensor:
    if kind == "convolution":
        weight = emitter.constant(f"{name}.weight", first.weight)
        kernel = list(first.weight.shape[2:])
        ones = [1] * len(kernel)
        attrs = {"kernel_shape": kernel, "strides": ones, "dilations": ones, "pads": same_pads(kernel), "group": 1}
        return emitter.node("Conv", name, [source, weight, emitter.constant(f"{name}.bias", first.bias)], attrs)
    if kind == "dense":
        operands = [emitter.constant(f"{name}.weight", first.weight), emitter.constant(f"{name}.bias", first.bias)]
        return emitter.node("Gemm", name, [source, *operands], {"transB": 1})
    product = emitter.node("MatMul", name, [source, emitter.constant(f"{name}.weight", first.weight.T)])
    return emitter.node("Add", f"{name}.add", [product, emitter.constant(f"{name}.bias", first.bias)])


def _normalised(first: FirstHalf, source: gs.Tensor, name: str, emitter: Emitter) -> gs.Tensor:
    """Scale and shift undo what the statistics do, so that nothing changes before training goes on."""
    assert first.statistics is not None
    mean, variance = first.statistics.mean, first.statistics.variance
    deviation = np.sqrt(variance + EPSILON)
    values = {"weight": deviation, "bias": mean, "running_mean": mean, "running_var": variance}
    operands = [emitter.constant(f"{name}.norm.{key}", value) for key, value in values.items()]
    return emitter.node("BatchNormalization", f"{name}.norm", [source, *operands], {"epsilon": EPSILON})


def _activated(first: FirstHalf, kind: Kind, source: gs.Tensor, name: str, emitter: Emitter) -> gs.Tensor:
    share = first.linear_share
    if share is None:
        return _ACTIVATIONS[first.activation](first, source, f"{name}.act", emitter)
    if kind != "tokens":
        share = share.reshape(-1, *[1] * (first.weight.ndim - 2))
    if first.activation in ("relu", "leaky-relu"):
        low = first.slope if first.activation == "leaky-relu" else 0.0
        return emitter.node(
            "PRelu", f"{name}.act", [source, emitter.constant(f"{name}.act.slope", share + (1 - share) * low)]
        )
    bent = _ACTIVATIONS[first.activation](first, source, f"{name}.act", emitter)
    rest = emitter.node("Sub", f"{name}.act.rest", [source, bent])
    part = emitter.node("Mul", f"{name}.act.part", [rest, emitter.constant(f"{name}.act.linear_share", share)])
    return emitter.node("Add", f"{name}.act.sum", [bent, part])


def _plain(op: str) -> Callable[[FirstHalf, gs.Tensor, str, Emitter], gs.Tensor]:
    return lambda first, source, name, emitter: emitter.node(op, name, [source])


def _leaky(first: FirstHalf, source: gs.Tensor, name: str, emitter: Emitter) -> gs.Tensor:
    return emitter.node("LeakyRelu", name, [source], {"alpha": first.slope})


def _gelu(first: FirstHalf, source: gs.Tensor, name: str, emitter: Emitter) -> gs.Tensor:
    """x (1 + erf(x / sqrt 2)) / 2, which opset 20 has an operator for."""
    if emitter.opset >= 20:
        return emitter.node("Gelu", name, [source])
    scaled = emitter.node("Mul", f"{name}.scaled", [source, emitter.constant(f"{name}.root", np.array(math.sqrt(0.5)))])
    erf = emitter.node("Erf", f"{name}.erf", [scaled])
    raised = emitter.node("Add", f"{name}.raised", [erf, emitter.constant(f"{name}.one", np.array(1.0))])
    product = emitter.node("Mul", f"{name}.product", [source, raised])
    return emitter.node("Mul", name, [product, emitter.constant(f"{name}.half", np.array(0.5))])


def _silu(first: FirstHalf, source: gs.Tensor, name: str, emitter: Emitter) -> gs.Tensor:
    return emitter.node("Mul", name, [source, emitter.node("Sigmoid", f"{name}.gate", [source])])


_ACTIVATIONS: Mapping[str, Callable[[FirstHalf, gs.Tensor, str, Emitter], gs.Tensor]] = {
    "relu": _plain("Relu"),
    "leaky-relu": _leaky,
    "tanh": _plain("Tanh"),
    "sigmoid": _plain("Sigmoid"),
    "gelu": _gelu,
    "silu": _silu,
}

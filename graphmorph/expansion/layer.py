"""Reads a convolution, and the batch normalisation behind it, from a graph; or says why it cannot become a block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.affine.operators.convolution import explicit_pads
from graphmorph.affine.operators.steps import Wall
from graphmorph.expansion.normalisation import Norm, NormTypes
from graphmorph.expansion.windows import Geometry, Pair
from graphmorph.facts import Facts
from graphmorph.schema import violation

#: Types whose rounding is understood.
FLOAT_TYPES = ("float16", "bfloat16", "float32", "float64")

#: BatchNormalization of earlier opsets is at inference only where it says so.
FIRST_OPSET = 7

#: From here on an attribute says that BatchNormalization trains, and it has two more outputs when it does.
TRAINING_MODE_OPSET = 14


@dataclass(frozen=True, eq=False)
class Layer:
    """A square convolution with constant weights. `norm`: the normalisation that alone reads it, if that is to go."""

    conv: gs.Node
    norm: gs.Node | None
    geometry: Geometry

    @property
    def name(self) -> str:
        return str(self.conv.name or self.conv.outputs[0].name)

    @property
    def weight(self) -> gs.Constant:
        return self.conv.inputs[1]

    @property
    def bias(self) -> gs.Constant | None:
        return self.conv.inputs[2] if len(self.conv.inputs) > 2 and self.conv.inputs[2].name else None

    @property
    def output(self) -> gs.Tensor:
        return (self.norm or self.conv).outputs[0]

    @property
    def output_name(self) -> str:
        """Of the convolution, by which its node is known."""
        return str(self.conv.outputs[0].name)

    def is_normalised(self, facts: Facts) -> bool:
        """Whether a normalisation follows, even if it stays where it is."""
        return self.norm is not None or _following_norm(self.conv, facts) is not None

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the constants that it is made of: layers that share them all are one layer, used twice."""
        constants = (*self.conv.inputs[1:], *(self.norm.inputs[1:] if self.norm is not None else ()))
        return tuple(str(tensor.name) for tensor in constants)

    def read_norm(self, facts: Facts) -> Norm | None:
        """The values of the normalisation."""
        return None if self.norm is None else _values(self.norm, facts)

    def norm_types(self) -> NormTypes:
        """The types of the normalisation's constants; without one, that of the weights."""
        if self.norm is None:
            return NormTypes(self.weight.dtype, self.weight.dtype)
        return NormTypes(self.norm.inputs[1].dtype, self.norm.inputs[3].dtype)


def read_layer(conv: gs.Node, facts: Facts, *, least: int, with_norm: bool) -> Layer | str:
    """A Conv as a layer, or the condition that failed.

    least: the smallest kernel that can become a block. with_norm: take the normalisation that follows along.
    """
    geometry = _geometry(conv, facts, least)
    if isinstance(geometry, str):
        return geometry
    norm = _following_norm(conv, facts) if with_norm else None
    problem = _norm_problem(norm, geometry.out_channels, facts) if norm is not None else None
    return problem or Layer(conv, norm, geometry)


def _geometry(conv: gs.Node, facts: Facts, least: int) -> Geometry | str:
    if conv.outputs and conv.outputs[0].name in facts.kept:
        return f"{conv.name or conv.outputs[0].name} is kept as asked"
    special = facts.specialised(conv)
    if special is not None:
        return f"it holds for the traced sizes only ({special})"
    broken = violation(conv, facts.opset)
    if broken is not None:
        return broken
    if facts.opset < FIRST_OPSET:
        return f"opset {facts.opset} is older than {FIRST_OPSET}"
    variable = [facts.variable(t) for t in conv.inputs[1:] if t.name and not facts.constant(t)]
    if variable:
        return f"its weights are not constant ({variable[0]})"
    weight = conv.inputs[1]
    if str(weight.dtype) not in FLOAT_TYPES:
        return f"its weights are of type {weight.dtype}"
    shape = [int(n) for n in weight.shape]
    return _not_square(shape, least) or _windows(conv, shape, facts)


def _not_square(shape: list[int], least: int) -> str | None:
    size = "x".join(map(str, shape[2:]))
    if len(shape) != 4 or 0 in shape:
        return f"its weights have shape {tuple(shape)}; two spatial dimensions are needed"
    if shape[2] != shape[3]:
        return f"its kernel of {size} is not square"
    if shape[2] % 2 == 0:
        return f"its kernel of {size} has no centre"
    return f"its kernel of {size} has no taps beside its centre" if shape[2] < least else None


def _windows(conv: gs.Node, shape: list[int], facts: Facts) -> Geometry | str:
    groups, size = int(conv.attrs.get("group", 1)), shape[2:]
    if groups < 1 or shape[0] % groups or list(conv.attrs.get("kernel_shape", size)) != size:
        return f"its weights of shape {tuple(shape)} do not fit its attributes"
    strides, dilations = (list(conv.attrs.get(name, [1, 1])) for name in ("strides", "dilations"))
    if len(strides) != 2 or len(dilations) != 2 or min(*strides, *dilations) < 1:
        return f"its strides {strides} or dilations {dilations} are not two positive numbers"
    pads = explicit_pads(conv, size, facts)
    if isinstance(pads, Wall):
        return pads.reason
    return Geometry(
        shape[0], shape[1] * groups, groups, size[0], _pair(strides), _pair(dilations), _pair(pads[0]), _pair(pads[1])
    )


def _pair(values: list[int] | tuple[int, ...]) -> Pair:
    return int(values[0]), int(values[1])


def _following_norm(conv: gs.Node, facts: Facts) -> gs.Node | None:
    """The BatchNormalization that reads the convolution, where nobody else does."""
    name = conv.outputs[0].name
    readers = facts.readers[name]
    if len(readers) != 1 or facts.is_pinned(name) or readers[0].index != 0:
        return None
    node = readers[0].node
    return node if node.op == "BatchNormalization" and facts.is_standard(node) else None


def _norm_problem(norm: gs.Node, channels: int, facts: Facts) -> str | None:
    called = f"the BatchNormalization {norm.name or norm.outputs[0].name} behind it"
    if norm.outputs[0].name in facts.kept:
        return f"{called} is kept as asked"
    broken = violation(norm, facts.opset)
    if broken is not None:
        return broken
    if facts.opset < TRAINING_MODE_OPSET and any(t.name for t in norm.outputs[1:]):
        return f"{called} is in training mode, which opset {facts.opset} does not say"
    variable = [facts.variable(t) for t in norm.inputs[1:] if not facts.constant(t)]
    if variable:
        return f"the parameters of {called} are not constant ({variable[0]})"
    if any(tuple(t.shape) != (channels,) or str(t.dtype) not in FLOAT_TYPES for t in norm.inputs[1:]):
        return f"the parameters of {called} are not {channels} numbers each"
    values = _values(norm, facts)
    if not np.all(values.variance + values.epsilon > 0):
        return f"{called} has a variance that is not positive"
    return None


def _values(norm: gs.Node, facts: Facts) -> Norm:
    gamma, beta, mean, variance = (facts.value(t) for t in norm.inputs[1:5])
    return Norm(gamma, beta, mean, variance, float(norm.attrs.get("epsilon", 1e-5)))

"""The nodes between a new layer and the next one: they treat channels alike, and state their number at most in a shape.

Pooling, activation functions, dropout and flattening; each can be run with another number of channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.facts import Facts
from graphmorph.graph import constant_array

#: Activation functions: each element by itself.
_ELEMENTWISE = frozenset(
    {
        *("Relu", "LeakyRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "HardSigmoid", "HardSwish", "Mish", "Swish"),
        *("Sigmoid", "Tanh", "Softplus", "Softsign", "Gelu", "Erf", "Abs", "Clip", "Identity", "Dropout"),
    }
)

#: Windows and means over the spatial axes of (N, C, *spatial).
_POOLING = frozenset({"MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"})

_FLATTENING = frozenset({"Flatten", "Reshape", "Squeeze", "ReduceMean", "ReduceMax"})


def step_obstacle(node: gs.Node, index: int, facts: Facts) -> str | None:
    """Why a node cannot lie between, or None where it can."""
    if index != 0 or not facts.is_standard(node):
        return "is not a layer with constant weights, and does not treat channels alike"
    if any(t.name and t.name in facts.readers for t in node.outputs[1:]) or facts.specialised(node) is not None:
        return "gives more than one result, or holds for some sizes only"
    if is_elementwise(node) or node.op in _POOLING:
        return None if all(_is_fixed(t) for t in node.inputs[1:]) else "has operands that are computed"
    if node.op not in _FLATTENING:
        return "is not a layer with constant weights, and does not treat channels alike"
    return None if flattens(node, facts) else "does not flatten (N, C, *spatial) to (N, C * spatial)"


def is_elementwise(node: gs.Node) -> bool:
    """Whether a node treats each element by itself, whatever axis it is on."""
    return node.op in _ELEMENTWISE


def flattens(node: gs.Node, facts: Facts) -> bool:
    """Whether a node puts all axes but the first together, channels first, or reduces those after the channels."""
    shape = _shape(node.inputs[0], facts)
    if shape is None or len(shape) < 3:
        return False
    if node.op == "Flatten":
        return int(node.attrs.get("axis", 1)) == 1
    if node.op in ("Squeeze", "ReduceMean", "ReduceMax"):
        axes = _axes(node)
        return bool(axes) and all(axis % len(shape) >= 2 for axis in axes or ())
    if _is_computed(node):
        return _is_flat(node, facts)
    target = _target(node)
    if target is None or len(target) != 2 or (target[0] == 1 and shape[0] not in (1, None)):
        return False
    return target[0] in (-1, 0, 1, shape[0]) and _whole(target, shape)


def operands(node: gs.Node, channels: tuple[int, int]) -> Mapping[int, np.ndarray]:
    """What a node's operands are when it reads `channels[1]` channels in the place of `channels[0]`.

    The shape that a Reshape is told by a computation, which may count the channels, is stated instead.
    """
    if _is_computed(node):
        return {1: np.array([0, -1], np.int64)}
    target = _target(node) if node.op == "Reshape" else None
    if target is None or target[1] == -1:
        return {}
    return {1: np.array([target[0], target[1] // channels[0] * channels[1]], np.int64)}


def _is_fixed(tensor: gs.Tensor) -> bool:
    """Whether an operand is a constant, or left out."""
    return isinstance(tensor, gs.Constant) or not tensor.name


def _is_computed(node: gs.Node) -> bool:
    """Whether a node is a Reshape to a shape that the model computes."""
    return node.op == "Reshape" and not _is_fixed(node.inputs[1]) and not node.attrs.get("allowzero", 0)


def _is_flat(node: gs.Node, facts: Facts) -> bool:
    """Whether a node gives two axes, one of them what it has to be: the other then is what it has to be, too."""
    before, after = facts.shape(node.inputs[0]), facts.shape(node.outputs[0])
    if before is None or after is None or len(after) != 2:
        return False
    rest = [size for size in before[1:] if isinstance(size, int)]
    all_known = len(rest) == len(before) - 1
    return (after[0] is not None and after[0] == before[0]) or (all_known and after[1] == math.prod(rest))


def _whole(target: list[int], shape: tuple[int | None, ...]) -> bool:
    """Whether the second size of a target is all that is left of a shape."""
    rest = shape[1:]
    return target[1] == -1 or (None not in rest and target[1] == int(np.prod([n for n in rest if n is not None])))


def _target(node: gs.Node) -> list[int] | None:
    operand = node.inputs[1] if len(node.inputs) > 1 else None
    if not isinstance(operand, gs.Constant) or node.attrs.get("allowzero", 0):
        return None
    return [int(n) for n in constant_array(operand).reshape(-1)]


def _axes(node: gs.Node) -> list[int] | None:
    """Axes as an attribute, or as an operand (from version 13 or 18 on)."""
    if "axes" in node.attrs:
        return [int(n) for n in node.attrs["axes"]]
    operand = node.inputs[1] if len(node.inputs) > 1 else None
    return [int(n) for n in constant_array(operand).reshape(-1)] if isinstance(operand, gs.Constant) else None


def _shape(tensor: gs.Tensor, facts: Facts) -> tuple[int | None, ...] | None:
    known = facts.shapes.get(tensor.name)
    if known is None or known.shape is None:
        return None
    return tuple(size if isinstance(size, int) else None for size in known.shape)

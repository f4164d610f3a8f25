"""What the axis of a constant means to the node that reads it: whether its index is a channel made, or one read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import onnx_graphsurgeon as gs

from graphmorph.channels.groups import Member
from graphmorph.facts import Facts

#: output: a slice makes one channel. input: a slice reads one. scale, offset, statistics: one number a channel.
Role = Literal["output", "input", "scale", "offset", "statistics", "other"]

_NORMALISATION: tuple[Role, ...] = ("scale", "offset")
_PER_CHANNEL: dict[str, tuple[Role, ...]] = {
    "BatchNormalization": (*_NORMALISATION, "statistics", "statistics"),
    "LayerNormalization": _NORMALISATION,
    "GroupNormalization": _NORMALISATION,
    "InstanceNormalization": _NORMALISATION,
    "RMSNormalization": _NORMALISATION[:1],
}


def roles(member: Member, facts: Facts) -> frozenset[Role]:
    """What the axis of a member means to each reader of its slot."""
    rank = len(member.slot.shape)
    nodes = ((facts.producer.get(use.node), use.index) for use in member.slot.uses)
    return frozenset(
        role(node, index, member.axis, rank) if node is not None and facts.is_standard(node) else "other"
        for node, index in nodes
    )


def role(node: gs.Node, index: int, axis: int, rank: int) -> Role:
    """What axis `axis` of a constant of rank `rank` means to `node`, which reads it as input `index`."""
    per_channel = _PER_CHANNEL.get(node.op)
    if per_channel is not None:
        return per_channel[index - 1] if 1 <= index <= len(per_channel) else "other"
    found = _ROLES.get(node.op)
    return found(node, index, axis, rank) if found is not None else "other"


def _convolution(node: gs.Node, index: int, axis: int, rank: int) -> Role:
    """Conv: (out, in/group, window...); ConvTranspose: (in, out/group, window...); then the bias."""
    if index == 2:
        return "offset"
    if index != 1 or axis > 1:
        return "other"
    return "output" if (axis == 0) == (node.op == "Conv") else "input"


def _gemm(node: gs.Node, index: int, axis: int, rank: int) -> Role:
    """A: (M, K), B: (K, N), or the other way round where transposed: M and N are made, K is read."""
    if index > 1:
        return "offset"
    if node.attrs.get("transB" if index else "transA", 0):
        axis = 1 - axis
    return "input" if axis != index else "output"


def _matmul(node: gs.Node, index: int, axis: int, rank: int) -> Role:
    """The last axis of the left operand and the last but one of the right are read; every other axis is made."""
    contracted = rank - 1 if index == 0 or rank == 1 else rank - 2
    return "input" if axis == contracted else "output"


def _gather(node: gs.Node, index: int, axis: int, rank: int) -> Role:
    """An embedding makes the axes that are not looked up."""
    looked_up = int(node.attrs.get("axis", 0)) % rank
    return "output" if index == 0 and axis != looked_up else "other"


def _factor(node: gs.Node, index: int, axis: int, rank: int) -> Role:
    """The scale of a normalisation that was exported in parts, or of a layer (layer scale)."""
    return "scale"


def _term(node: gs.Node, index: int, axis: int, rank: int) -> Role:
    return "offset"


_ROLES: dict[str, Callable[[gs.Node, int, int, int], Role]] = {
    "Conv": _convolution,
    "ConvTranspose": _convolution,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Gather": _gather,
    "Mul": _factor,
    "Add": _term,
    "Sub": _term,
}

"""Attributes that count groups, heads or hidden units of an axis."""

from __future__ import annotations

from graphmorph.channels.resizing.masks import Mask
from graphmorph.channels.resizing.resized import Resized, resizer


@resizer("Conv")
def conv(node: Resized) -> None:
    """Conv: x (N, C, ...), weight (O, C/group, ...)."""
    _regroup(node, node.after(0)[1], node.after(1)[1], node.after(1)[0])


@resizer("ConvTranspose")
def conv_transpose(node: Resized) -> None:
    """ConvTranspose: x (N, C, ...), weight (C, O/group, ...)."""
    _regroup(node, node.output_after()[1], node.after(1)[1], node.after(0)[1])


def _regroup(node: Resized, channels: int, per_group: int, others: int) -> None:
    """channels = group per_group; the groups cut the other side, too."""
    group = channels // per_group
    if channels % per_group or others % group:
        raise node.refused(f"{channels} and {others} channels cannot be cut into groups of {per_group}")
    if group != node.attribute("group", 1):
        node.set_attribute("group", group)


@resizer("GroupNormalization")
def group_norm(node: Resized) -> None:
    """GroupNormalization: x (N, C, ...), num_groups."""
    mask = node.mask(0, 1)
    if mask is not None:
        node.set_attribute("num_groups", _groups_left(node, mask, int(node.attribute("num_groups"))))


def _groups_left(node: Resized, mask: Mask, groups: int) -> int:
    """Groups that are not gone as a whole; they must have lost the same channels."""
    rows = mask.reshape(groups, -1)
    left = rows[rows.any(axis=1)]
    if (left != left[0]).any():
        raise node.refused(f"its {groups} groups do not lose the same channels")
    return len(left)


@resizer("LSTM", "GRU", "RNN")
def recurrent(node: Resized) -> None:
    """R (directions, gates H, H)."""
    if "hidden_size" in node.node.attrs:
        node.set_attribute("hidden_size", node.after(2)[2])

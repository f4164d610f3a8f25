"""Operators that keep every element and change the shape."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from graphmorph.torch_door.translation.operands import (
    axis_of,
    constant_ints,
    known_rank,
    optional_ints,
    rank_of,
    require,
    traced,
)
from graphmorph.torch_door.translation_table import Translation, translates


@translates("Identity", 1, 13, 14, 16, 19, 21, 23, 24, 25)
def identity(t: Translation) -> fx.Node:
    """The input itself."""
    return traced(t)


@translates("Reshape", 5, 13, 14, 19, 21, 23, 24, 25)
def reshape(t: Translation) -> fx.Node:
    """The elements in a new shape; 0 stands for the input's size there (unless allowzero), -1 for what is left."""
    x = t.value(0)
    if not t.is_constant(1):
        return t.method("reshape", x, t.method("tolist", _sizes_at_run_time(t, x)))
    sizes = t.ints(1)
    require(t, not (t.attr("allowzero", 0) and 0 in sizes and -1 in sizes), "both 0 and -1 with allowzero")
    kept = [t.method("size", x, axis) if n == 0 and not t.attr("allowzero", 0) else n for axis, n in enumerate(sizes)]
    return t.method("reshape", x, tuple(kept))


def _sizes_at_run_time(t: Translation, x: fx.Node) -> fx.Node:
    """A computed shape in which the input's sizes stand where it has zeros (unless allowzero)."""
    wanted: fx.Node = t.value(1)
    if t.attr("allowzero", 0):
        return wanted
    count = t.method("numel", wanted)
    sizes = t.call(functional.pad, t.call(torch.tensor, t.method("size", x), dtype=torch.int64), (0, count))
    kept = t.call(torch.narrow, sizes, 0, 0, count)
    return t.call(torch.where, t.call(operator.eq, wanted, 0), kept, wanted)


@translates("Flatten", 1, 9, 11, 13, 21, 23, 24, 25)
def flatten(t: Translation) -> fx.Node:
    """A matrix: the axes before `axis` are its rows."""
    axis, rank, x = axis_of(t, int(t.attr("axis", 1))), known_rank(t), t.value(0)
    if axis == 0:
        return t.method("reshape", x, (1, -1))
    if axis == rank:
        return t.call(torch.unsqueeze, t.call(torch.flatten, x), 1)
    if axis == 1:
        return t.layer(nn.Flatten)
    return t.call(torch.flatten, t.call(torch.flatten, x, axis), 0, axis - 1)


@translates("Transpose", 1, 13, 21, 23, 24, 25)
def transpose(t: Translation) -> fx.Node:
    """The axes in another order, by default the reverse."""
    perm = t.attr("perm")
    order = [int(axis) for axis in perm] if perm is not None else list(reversed(range(rank_of(t))))
    return t.call(torch.permute, t.value(0), tuple(order))


def _axes(t: Translation) -> list[int] | None:
    """Axes given by attribute, or by input from version 13 on."""
    if t.version >= 13:
        return optional_ints(t, 1)
    axes = t.attr("axes")
    return None if axes is None else [int(axis) for axis in axes]


@translates("Squeeze", 1, 11, 13, 21, 23, 24, 25)
def squeeze(t: Translation) -> fx.Node:
    """Without the given axes of size 1, or without all of them."""
    axes = _axes(t)
    return t.call(torch.squeeze, t.value(0), *([] if axes is None else [tuple(axes)]))


@translates("Unsqueeze", 1, 11, 13, 21, 23, 24, 25)
def unsqueeze(t: Translation) -> fx.Node:
    """With new axes of size 1, counted in the result."""
    axes, value = _axes(t) or [], traced(t)
    if len(axes) > 1:
        axes = sorted(axis if axis >= 0 else axis + rank_of(t) + len(axes) for axis in axes)
    for axis in axes:
        value = t.call(torch.unsqueeze, value, axis)
    return value


@translates("Expand", 8, 13)
def expand(t: Translation) -> fx.Node:
    """Broadcast with a shape, both ways: a size of 1 in the shape keeps the input's."""
    x = t.value(0)
    if not isinstance(x, fx.Node):
        x = t.buffer(0)
    if not t.is_constant(1):
        sizes: Any = t.call(torch.broadcast_shapes, t.method("size", x), t.method("tolist", t.value(1)))
        return t.method("expand", x, sizes)
    wanted, rank = t.ints(1), rank_of(t)
    new, old = wanted[: max(len(wanted) - rank, 0)], wanted[max(len(wanted) - rank, 0) :]
    kept = [-1] * (rank - len(old)) + [-1 if n == 1 else n for n in old]
    return t.method("expand", x, (*new, *kept))


@translates("Tile", 6, 13)
def tile(t: Translation) -> fx.Node:
    """The input repeated along every axis."""
    return t.call(torch.tile, t.value(0), tuple(constant_ints(t, 1)))


@translates("DepthToSpace", 1, 11, 13, 28)
def depth_to_space(t: Translation) -> fx.Node:
    """Blocks of channels become blocks of pixels; nn.PixelShuffle is the mode CRD."""
    block = int(t.attr("blocksize"))
    if t.attr("mode", "DCR") == "CRD":
        return t.layer(lambda: nn.PixelShuffle(block))
    split = t.method("unflatten", t.value(0), 1, (block, block, -1))
    ordered = t.call(torch.permute, split, (0, 3, 4, 1, 5, 2))
    return t.call(torch.flatten, t.call(torch.flatten, ordered, 4, 5), 2, 3)


@translates("SpaceToDepth", 1, 13, 28)
def space_to_depth(t: Translation) -> fx.Node:
    """Blocks of pixels become blocks of channels; nn.PixelUnshuffle is the mode CRD (version 28)."""
    block = int(t.attr("blocksize"))
    if t.attr("mode", "DCR") == "CRD":
        return t.layer(lambda: nn.PixelUnshuffle(block))
    columns = t.method("unflatten", t.value(0), 3, (-1, block))
    split = t.method("unflatten", columns, 2, (-1, block))
    return t.call(torch.flatten, t.call(torch.permute, split, (0, 3, 5, 1, 2, 4)), 1, 3)


@translates("Shape", 1, 13, 15, 19, 21, 23, 24, 25)
def shape(t: Translation) -> fx.Node:
    """The sizes, or those from `start` to `end`, as a vector of int64."""
    start, end = t.attr("start", 0), t.attr("end")
    sizes: Any = t.method("size", t.value(0))
    if start or end is not None:
        sizes = t.call(operator.getitem, sizes, slice(start or None, end))
    return t.call(torch.tensor, sizes, dtype=torch.int64)


@translates("Size", 1, 13, 19, 21, 23, 24, 25)
def size(t: Translation) -> fx.Node:
    """The number of elements, as int64."""
    return t.call(torch.tensor, t.method("numel", t.value(0)), dtype=torch.int64)

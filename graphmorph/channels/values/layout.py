"""Operators that move axes, or parts of them."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.telling import settle
from graphmorph.channels.values.view import View


@rule("Transpose")
def _transpose(view: View) -> None:
    """Slices stay what they are, unless their own axes change places."""
    x = view.fact(0)
    order = [int(axis) for axis in view.attribute("perm", range(x.rank)[::-1])]
    inner = [axis for axis in order if x.in_slice(axis)]
    number = x.number
    if inner != sorted(inner):
        number = view.combine(("Transpose", tuple(order), x.slice_shape), number)
    view.give_rearranged(x.numbered(number).mapped(view.output_outline(), lambda array: np.transpose(array, order)))


@rule("Squeeze", "Unsqueeze")
def _squeeze(view: View) -> None:
    """Only axes of size 1 come and go. One that is 1 in the run looked at, and free, stays."""
    x, outline = view.fact(0), view.output_outline()
    extents = list(x.extents)
    given = view.integers(1) if view.has(1) else view.attribute("axes")
    if view.node.op == "Unsqueeze":
        for axis in sorted(int(a) % outline.rank for a in given):
            extents.insert(axis, 1)
    else:
        gone = [int(a) % x.rank for a in given] if given else [a for a in range(x.rank) if x.sizes[a] == 1]
        if any(axis in x.free for axis in gone):
            raise LookupError("a free axis is squeezed")
        extents = [n for axis, n in enumerate(extents) if axis not in gone]
    view.give_rearranged(x.reshaped(outline, tuple(extents)))


@rule("DepthToSpace")
def _depth_to_space(view: View) -> None:
    """A channel is made of several, which alternate."""
    x = view.told_apart(view.collapsed(view.fact(0), but=(1,)), 1)
    block, channels = int(view.attribute("blocksize")), view.output_outline().sizes[1]
    columns_first = view.attribute("mode", "DCR") == "DCR"
    shape = (block * block, channels) if columns_first else (channels, block * block)
    axis = 0 if columns_first else 1
    if x.number.size != block * block * channels:
        raise LookupError("the channels do not fit the blocks")
    constant, number = x.constant.reshape(shape), x.number.reshape(shape)
    first = np.take(constant, [0], axis)
    constant = np.where((constant == first).all(axis=axis), first.reshape(-1), np.nan)
    parts = [np.take(number, place, axis) for place in range(block * block)]
    extents = (1, -1, 1, 1)
    tag = ("DepthToSpace", block, x.slice_shape)
    view.outputs[0] = settle(
        view.numbering,
        view.output_outline(),
        view.combine(tag, *parts).reshape(extents),
        constant.reshape(extents),
        x.low.reshape(shape).min(axis=axis).reshape(extents),
        x.high.reshape(shape).max(axis=axis).reshape(extents),
    )


@rule("SpaceToDepth")
def _space_to_depth(view: View) -> None:
    """Operator SpaceToDepth: output channel k * C + c is channel c at offset k of every block."""
    x = view.told_apart(view.collapsed(view.fact(0), but=(1,)), 1)
    block = int(view.attribute("blocksize"))
    tiled = x.mapped(view.output_outline(), lambda array: np.tile(array, (1, block * block, 1, 1)))
    offsets = np.repeat(np.arange(block * block), x.number.size).reshape(tiled.extents)
    number = view.combine(("SpaceToDepth", block, x.slice_shape), tiled.number, offsets)
    view.give(number, tiled.constant, tiled.low, tiled.high)

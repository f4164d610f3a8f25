"""Operators that move axes, or parts of them."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.values.fact import Fact
from graphmorph.channels.values.telling import settle
from graphmorph.channels.values.view import View, rule


@rule("Transpose")
def _transpose(view: View) -> None:
    """Slices stay what they are, unless their own axes change places."""
    x = view.fact(0)
    order = [int(axis) for axis in view.attribute("perm", range(x.rank)[::-1])]
    inner = [axis for axis in order if x.in_slice(axis)]
    number = x.number
    if inner != sorted(inner):
        number = view.combine(("Transpose", tuple(order), x.slice_shape), number)
    arrays = (np.transpose(array, order) for array in (x.constant, x.low, x.high, number))
    moved = Fact(view.output_outline(), *arrays)
    view.give_rearranged(moved)


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
    constant, low, high, number = (a.reshape(shape) for a in (x.constant, x.low, x.high, x.number))
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
        low.min(axis=axis).reshape(extents),
        high.max(axis=axis).reshape(extents),
    )


@rule("SpaceToDepth")
def _space_to_depth(view: View) -> None:
    """Operator SpaceToDepth: output channel k * C + c is channel c at offset k of every block."""
    x = view.told_apart(view.collapsed(view.fact(0), but=(1,)), 1)
    block = int(view.attribute("blocksize"))
    offsets = np.repeat(np.arange(block * block), x.number.size)
    constant, low, high, number = (np.tile(a.reshape(-1), block**2) for a in (x.constant, x.low, x.high, x.number))
    number = view.combine(("SpaceToDepth", block, x.slice_shape), number, offsets)
    shape = (1, -1, 1, 1)
    view.give(number.reshape(shape), constant.reshape(shape), low.reshape(shape), high.reshape(shape))

"""Resize and Upsample: values near each other are mixed within their channel."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.rounding import outward
from graphmorph.channels.values.view import View


@rule("Resize", "Upsample")
def _resize(view: View) -> None:
    """Nearest and linear interpolation stay between the least and the greatest value around."""
    x = view.fact(0)
    crops = view.attribute("coordinate_transformation_mode", "") == "tf_crop_and_resize"
    mode = view.attribute("mode", "nearest")
    x = view.collapsed(x, but=() if crops else _kept(view, x.rank))
    operands = tuple(view.array(i).tobytes() if view.is_constant(i) else view.name for i in range(1, view.count()))
    number = view.combine((view.operation, operands, x.slice_shape, view.output_outline().sizes), x.number)
    if crops or mode not in ("nearest", "linear"):
        view.give(number)
    elif mode == "nearest":
        view.give(number, x.constant, x.low, x.high)
    else:
        view.give(number, x.constant, *outward(x.low, x.high, 32, x.dtype))


def _kept(view: View, rank: int) -> tuple[int, ...]:
    """Axes that are passed on as they are: their scale is 1."""
    given = view.attribute("axes")
    axes = [int(axis) % rank for axis in given] if given else list(range(rank))
    others = tuple(axis for axis in range(rank) if axis not in axes)
    if view.has(3):
        x, y = view.outline(0), view.output_outline()
        if view.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
            return others
        return others + tuple(a for a in axes if x.sizes[a] == y.sizes[a] and a not in x.free | y.free)
    index = 1 if view.node.op == "Upsample" or view.facts.opset < 11 else 2
    given = view.value(index) if view.has(index) else view.attribute("scales", ())
    scales = np.asarray(given, np.float64).reshape(-1)
    if scales.size != len(axes):
        raise LookupError("the scales do not fit the axes")
    return others + tuple(axis for axis, scale in zip(axes, scales, strict=True) if scale == 1)

"""Axes that a window slides over: they mix, unless the window is a single point."""

from __future__ import annotations

from collections.abc import Sequence

from graphmorph.channels.elements import Axes, Axis
from graphmorph.channels.view import View


def spatial(view: View, kernel: Sequence[int]) -> Axes:
    """The spatial axes of the output of a convolution or pooling of input 0. A window of one point, without stride and
    pads, passes an axis on; any other mixes it."""
    x = view.axes(0)[2:]
    count = len(x)
    strides = view.attribute("strides") or [1] * count
    pads = view.attribute("pads") or [0] * (2 * count)
    padded = view.attribute("auto_pad", "NOTSET") not in ("NOTSET", "VALID", "")
    found: list[Axis] = []
    for place, axis in enumerate(x):
        point = kernel[place] == 1 and strides[place] == 1 and pads[place] == 0 and pads[place + count] == 0
        if point and not padded:
            found.append(axis)
        else:
            view.wall(axis, "a window slides over it")
            found.append(None)
    return tuple(found)

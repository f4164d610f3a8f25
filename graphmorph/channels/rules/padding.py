"""Pad: new elements around the old ones."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.view import View, rule


@rule("Pad")
def pad(view: View) -> None:
    """Pad: an attribute before opset 11, an input since; opset 18 may name axes. A border makes new elements."""
    pads = view.attribute("pads") if "pads" in view.node.attrs else view.integers(1)
    axes = list(range(view.rank(0)))
    if view.has(3):
        named = view.integers(3)
        pads, axes = (None, axes) if named is None else (pads, [view.normal(axis) for axis in named])
    if pads is None:
        view.wall_all(0, "is padded by a width that is not constant")
        view.give()
        return
    x = list(view.axes(0))
    for place, axis in enumerate(axes):
        before, after = int(pads[place]), int(pads[place + len(axes)])
        ids = x[axis]
        if ids is None or (before == 0 and after == 0):
            continue
        if before < 0 or after < 0 or view.attribute("mode", "constant") not in ("constant", b"constant"):
            view.wall(ids, "is cropped, or padded with copies of itself")
            x[axis] = None
        else:
            new = view.elements.fresh(before + after)
            x[axis] = np.concatenate([new[:before], ids, new[before:]])
    view.give(tuple(x))

"""Pooling: channels pass, space is mixed or summed up."""

from __future__ import annotations

from graphmorph.channels.elements import ReadKind
from graphmorph.channels.rules.windows import spatial
from graphmorph.channels.view import View, no_axes, rule

_GLOBAL: dict[str, ReadKind] = {
    "GlobalAveragePool": "mean",
    "GlobalMaxPool": "maximum",
    "GlobalLpPool": "sum",
}


@rule("AveragePool", "LpPool", "MaxPool")
def pool(view: View) -> None:
    """x (N, C, ...) -> (N, C, ...). Positions of maxima count elements, so nothing may go where they are asked for."""
    if len(view.node.outputs) > 1 and view.node.outputs[1].name:
        view.stop("it puts out the positions of maxima")
        return
    x = view.axes(0)
    view.give((x[0], x[1], *spatial(view, view.attribute("kernel_shape"))))


@rule(*_GLOBAL)
def global_pool(view: View) -> None:
    """x (N, C, ...) -> (N, C, 1...)."""
    x = view.axes(0)
    for axis in range(2, len(x)):
        view.read(_GLOBAL[view.node.op], 0, axis)
    view.give((x[0], x[1], *no_axes(len(x) - 2)))


@rule("MaxRoiPool", "RoiAlign")
def regions(view: View) -> None:
    """x (N, C, H, W), regions (R, ...) -> (R, C, h, w)."""
    x = view.axes(0)
    view.wall_all(0, "regions are cut out of it", but=(1,))
    for index in range(1, len(view.node.inputs)):
        view.wall_all(index, "it says where regions lie")
    view.give((None, x[1], None, None))

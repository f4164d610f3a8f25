"""Quantisation by tensor or by axis."""

from __future__ import annotations

from graphmorph.channels.view import View, rule


@rule("QuantizeLinear", "DequantizeLinear")
def linear(view: View) -> None:
    """x, scale and zero point, which are scalars or vectors along `axis`."""
    if view.attribute("block_size", 0):
        view.stop("quantisation by blocks")
        return
    x = list(view.axes(0))
    axis = view.normal(int(view.attribute("axis", 1))) if x else 0
    for index in (1, 2):
        if view.has(index) and view.rank(index) == 1 and view.size(index)[0] > 1:
            x[axis] = view.link(x[axis], view.axes(index)[0], "is scaled by what must stay")
    view.give(tuple(x))

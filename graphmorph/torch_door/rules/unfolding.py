"""Windows along one axis: Tensor.unfold."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.promotion import settled


@lowers(methods=("unfold",))
def unfold(site: SiteBuilder, input: gs.Tensor, dimension: int, size: int, step: int) -> gs.Tensor:
    """Gather-13 of the places of every window, whose axis goes behind all others; as many windows as the axis has room
    for."""
    site.require(site.rank(input) > 0, "windows of a single number")
    axis, dims = site.axis(input, dimension), site.dims(input)
    length = dims[axis]
    site.require(isinstance(length, int), "windows along the batch")
    assert isinstance(length, int)
    width, stride = settled(site, size, "the size of windows"), settled(site, step, "the step of windows")
    site.specialised(f"there are as many windows as an axis of size {length} has room for")
    places = np.arange(0, length - width + 1, stride)[:, None] + np.arange(width)
    shape = (*dims[:axis], *places.shape, *dims[axis + 1 :])
    dtype = site.dtype(input)
    made = site.node(
        "Gather", [input, site.constant(places.tolist(), "int64")], {"axis": axis}, shape=shape, dtype=dtype
    )
    order = [place for place in range(len(shape)) if place != axis + 1]
    return made if axis + 2 == len(shape) else site.node("Transpose", [made], {"perm": [*order, axis + 1]})

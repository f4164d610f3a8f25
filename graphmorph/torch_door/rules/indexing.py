"""Reading parts of a tensor: x[...], narrow, select, gather."""

from __future__ import annotations

import operator
from typing import Any

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.index_parts import WHOLE, index_parts, sliced
from graphmorph.torch_door.rules.numpy_names import numpy_names
from graphmorph.torch_door.rules.promotion import settled


@lowers(operator.getitem)
def getitem(site: SiteBuilder, input: gs.Tensor, index: Any) -> gs.Tensor:
    """One Slice-13 for all slices, a Gather-13 for each int and for a tensor of integers, an Unsqueeze-13 for None."""
    site.require(isinstance(input, gs.Tensor), "an element of what is no tensor")
    parts = index_parts(site, input, index)
    bounds = {axis: part for axis, part in enumerate(parts.axes) if isinstance(part, slice) and part != WHOLE}
    made = sliced(site, input, bounds) if bounds else input
    for axis in reversed(range(len(parts.axes))):
        part = parts.axes[axis]
        if not isinstance(part, slice):
            made = _gathered(site, made, axis, part)
    if parts.new:
        made = site.node("Unsqueeze", [made, site.ints(parts.new)])
    return made


def _gathered(site: SiteBuilder, tensor: gs.Tensor, axis: int, index: int | gs.Tensor) -> gs.Tensor:
    """Gather-13; negative indices count from the end in both."""
    dims = site.dims(tensor)
    places = index if isinstance(index, gs.Tensor) else site.constant(index, "int64")
    shape = (*dims[:axis], *(site.dims(places) if isinstance(index, gs.Tensor) else ()), *dims[axis + 1 :])
    return site.node("Gather", [tensor, places], {"axis": axis}, shape=shape, dtype=site.dtype(tensor))


@lowers(torch.select, methods=("select",))
@numpy_names
def select(site: SiteBuilder, input: gs.Tensor, dim: int, index: int) -> gs.Tensor:
    """x[..., index, ...] along one axis."""
    return _gathered(site, input, site.axis(input, dim), settled(site, index, "an index"))


@lowers(torch.narrow, methods=("narrow",))
@numpy_names
def narrow(site: SiteBuilder, input: gs.Tensor, dim: int, start: int, length: int) -> gs.Tensor:
    """`length` elements from `start`."""
    axis, first = site.axis(input, dim), settled(site, start, "the start of narrow")
    end = first + settled(site, length, "the length of narrow")
    return sliced(site, input, {axis: slice(first, None if first < 0 and end == 0 else end)})


@lowers(torch.index_select, methods=("index_select",))
@numpy_names
def index_select(site: SiteBuilder, input: gs.Tensor, dim: int, index: gs.Tensor) -> gs.Tensor:
    """Gather-13 with a vector of indices."""
    site.require(site.rank(index) == 1 and site.rank(input) > 0, "index_select with an index of rank 0")
    return site.node("Gather", [input, index], {"axis": site.axis(input, dim)})


@lowers(torch.gather, methods=("gather",))
@numpy_names
def gather(site: SiteBuilder, input: gs.Tensor, dim: int, index: gs.Tensor, *, sparse_grad: bool = False) -> gs.Tensor:
    """GatherElements-13."""
    site.require(site.rank(index) == site.rank(input) > 0, "gather of rank 0")
    return site.node("GatherElements", [input, index], {"axis": site.axis(input, dim)})

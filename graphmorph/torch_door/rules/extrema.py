"""The larger and the smaller: of two tensors, of all elements, along axes, and where they are."""

from __future__ import annotations

from typing import Any

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.numpy_names import numpy_names
from graphmorph.torch_door.rules.promotion import Operand, binary, common_dtype
from graphmorph.torch_door.rules.reduction import Dims, reduced


@lowers(torch.amax, methods=("amax",))
@numpy_names
def amax(site: SiteBuilder, input: gs.Tensor, dim: Dims = (), keepdim: bool = False) -> gs.Tensor:
    """ReduceMax-20."""
    return reduced(site, "ReduceMax", input, dim, keepdim)


@lowers(torch.amin, methods=("amin",))
@numpy_names
def amin(site: SiteBuilder, input: gs.Tensor, dim: Dims = (), keepdim: bool = False) -> gs.Tensor:
    """ReduceMin-20."""
    return reduced(site, "ReduceMin", input, dim, keepdim)


def larger_or_smaller(site: SiteBuilder, which: str, first: Operand, second: Operand) -> gs.Tensor:
    """Max-13 or Min-13; Or-7 or And-7 for bool tensors."""
    if common_dtype(site, first, second) == torch.bool:
        which = "Or" if which == "Max" else "And"
    return binary(site, which, first, second)


@lowers(torch.minimum, methods=("minimum",))
@numpy_names
def minimum(site: SiteBuilder, input: gs.Tensor, other: gs.Tensor) -> gs.Tensor:
    """The smaller of two tensors."""
    return larger_or_smaller(site, "Min", input, other)


@lowers(torch.maximum, methods=("maximum",))
@numpy_names
def maximum(site: SiteBuilder, input: gs.Tensor, other: gs.Tensor) -> gs.Tensor:
    """The larger of two tensors."""
    return larger_or_smaller(site, "Max", input, other)


def _extremum(site: SiteBuilder, which: str, input: gs.Tensor, dim: Any, keepdim: bool, other: Any) -> Any:
    """Of all elements, of two tensors, or along an axis with the first place where it is taken."""
    if other is not None or isinstance(dim, gs.Tensor):
        return larger_or_smaller(site, which, input, dim if other is None else other)
    if dim is None:
        return reduced(site, f"Reduce{which}", input, None, False)
    axis = site.axis(input, dim)
    site.require(site.dtype(input) != torch.bool, "places of extrema of a bool tensor")
    types = [site.types.described(leaf) for leaf in site.result]
    values = reduced(site, f"Reduce{which}", input, [axis], keepdim, shape=types[0][0], dtype=types[0][1])
    attrs = {"axis": axis, "keepdims": int(keepdim), "select_last_index": 0}
    places = site.node(f"Arg{which}", [input], attrs, shape=types[1][0], dtype=types[1][1])
    return values, places


@lowers(torch.max, methods=("max",))
@numpy_names
def largest(site: SiteBuilder, input: gs.Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """ReduceMax-20, with ArgMax-13 along an axis; Max-13 of two tensors."""
    return _extremum(site, "Max", input, dim, keepdim, other)


@lowers(torch.min, methods=("min",))
@numpy_names
def smallest(site: SiteBuilder, input: gs.Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """ReduceMin-20, with ArgMin-13 along an axis; Min-13 of two tensors."""
    return _extremum(site, "Min", input, dim, keepdim, other)


def _place(site: SiteBuilder, op: str, input: gs.Tensor, dim: int | None, keepdim: bool) -> gs.Tensor:
    if dim is None:
        site.require(not keepdim, f"{op} of all elements that keeps the axes")
        flat = site.node("Reshape", [input, site.ints([-1])], shape=(None,), dtype=site.dtype(input))
        return site.node(op, [flat], {"axis": 0, "keepdims": 0, "select_last_index": 0})
    attrs = {"axis": site.axis(input, dim), "keepdims": int(keepdim), "select_last_index": 0}
    return site.node(op, [input], attrs)


@lowers(torch.argmax, methods=("argmax",))
@numpy_names
def argmax(site: SiteBuilder, input: gs.Tensor, dim: int | None = None, keepdim: bool = False) -> gs.Tensor:
    """ArgMax-13, the first of equals."""
    return _place(site, "ArgMax", input, dim, keepdim)


@lowers(torch.argmin, methods=("argmin",))
@numpy_names
def argmin(site: SiteBuilder, input: gs.Tensor, dim: int | None = None, keepdim: bool = False) -> gs.Tensor:
    """ArgMin-13, the first of equals."""
    return _place(site, "ArgMin", input, dim, keepdim)

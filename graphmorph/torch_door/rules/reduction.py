"""Sums, means and products along axes, and truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.named_axes import named_axes
from graphmorph.torch_door.rules.numpy_names import numpy_names

Dims = int | Sequence[int] | None


def reduced_axes(site: SiteBuilder, input: gs.Tensor, dim: Dims) -> list[int]:
    """Axes that a reduction runs over; no dim, or none in it, means all."""
    rank = site.rank(input)
    site.require(rank > 0, "a reduction of rank 0")
    if dim is None or (not isinstance(dim, int) and not dim):
        return list(range(rank))
    return named_axes(site, input, dim)


def reduced(site: SiteBuilder, op: str, input: gs.Tensor, dim: Dims, keepdim: bool, **types: Any) -> gs.Tensor:
    """A reduction of opset 18 with its axes as an input."""
    site.require(site.dtype(input) != torch.int16, f"{op} of {site.dtype(input)}, which ONNX does not have")
    axes = site.ints(reduced_axes(site, input, dim))
    return site.node(op, [input, axes], {"keepdims": int(keepdim)}, **types)


@lowers(torch.mean, methods=("mean",))
@numpy_names
def mean(
    site: SiteBuilder, input: gs.Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> gs.Tensor:
    """ReduceMean-18."""
    return reduced(site, "ReduceMean", site.cast(input, site.result_dtype), dim, keepdim)


@lowers(torch.sum, methods=("sum",))
@numpy_names
def total(
    site: SiteBuilder, input: gs.Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> gs.Tensor:
    """ReduceSum-13; integers are summed in int64."""
    return reduced(site, "ReduceSum", site.cast(input, site.result_dtype), dim, keepdim)


@lowers(torch.prod, methods=("prod",))
@numpy_names
def product(
    site: SiteBuilder, input: gs.Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None
) -> gs.Tensor:
    """ReduceProd-18; integers are multiplied in int64."""
    return reduced(site, "ReduceProd", site.cast(input, site.result_dtype), dim, keepdim)


@lowers(torch.logsumexp, torch.special.logsumexp, methods=("logsumexp",))
@numpy_names
def logsumexp(site: SiteBuilder, input: gs.Tensor, dim: Dims, keepdim: bool = False) -> gs.Tensor:
    """ReduceLogSumExp-18."""
    return reduced(site, "ReduceLogSumExp", site.cast(input, site.result_dtype), dim, keepdim)


@lowers(torch.cumsum, methods=("cumsum", "cumsum_"))
@numpy_names
def cumsum(site: SiteBuilder, input: gs.Tensor, dim: int, *, dtype: Any = None) -> gs.Tensor:
    """CumSum-14; integers are summed in int64."""
    axis = site.constant(site.axis(input, dim), "int64")
    return site.node("CumSum", [site.cast(input, site.result_dtype), axis])


def _truth(site: SiteBuilder, op: str, input: gs.Tensor, dim: Dims, keepdim: bool) -> gs.Tensor:
    """An extremum of zeros and ones."""
    numbers = site.cast(site.cast(input, torch.bool), torch.int32)
    return site.cast(reduced(site, op, numbers, dim, keepdim, dtype=torch.int32), site.result_dtype)


@lowers(torch.all, methods=("all",))
@numpy_names
def every(site: SiteBuilder, input: gs.Tensor, dim: Dims = None, keepdim: bool = False) -> gs.Tensor:
    """Whether nothing is zero."""
    return _truth(site, "ReduceMin", input, dim, keepdim)


@lowers(torch.any, methods=("any",))
@numpy_names
def some(site: SiteBuilder, input: gs.Tensor, dim: Dims = None, keepdim: bool = False) -> gs.Tensor:
    """Whether something is not zero."""
    return _truth(site, "ReduceMax", input, dim, keepdim)

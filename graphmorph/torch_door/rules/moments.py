"""Variances, standard deviations and norms."""

from __future__ import annotations

import math
from typing import Any

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.numpy_names import numpy_names
from graphmorph.torch_door.rules.reduction import Dims, reduced, reduced_axes


def _correction(dim: Any, unbiased: bool | None, correction: float | None) -> tuple[Dims, float]:
    """The axes, and what is subtracted from the number of elements: var(x, True) has no axes, but a truth value."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        return dim, float(unbiased)
    return dim, 1.0 if correction is None else float(correction)


def _spread(
    site: SiteBuilder, input: gs.Tensor, dim: Dims, correction: float, keepdim: bool, result: torch.Tensor
) -> tuple[gs.Tensor, gs.Tensor]:
    """Variance, and mean with its axes kept: the mean of squared deviations, or their sum over count - correction."""
    site.require(site.dtype(input).is_floating_point, f"a variance of {site.dtype(input)}")
    axes, dtype = reduced_axes(site, input, dim), site.dtype(input)
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(site.dims(input)))
    mean = reduced(site, "ReduceMean", input, axes, True, shape=kept, dtype=dtype)
    deviation = site.node("Sub", [input, mean], shape=site.dims(input), dtype=dtype)
    squares = site.node("Mul", [deviation, deviation], shape=site.dims(input), dtype=dtype)
    shape = site.types.described(result)[0]
    if correction == 0:
        return reduced(site, "ReduceMean", squares, axes, keepdim, shape=shape, dtype=dtype), mean
    sizes = [site.dims(input)[axis] for axis in axes]
    site.require(all(isinstance(size, int) for size in sizes), "a corrected variance over the batch")
    count = math.prod(size for size in sizes if isinstance(size, int)) - correction
    site.require(count > 0, f"a variance with correction {correction} over {sizes}")
    site.specialised("the correction of a variance counts the elements of the traced sizes")
    sums = reduced(site, "ReduceSum", squares, axes, keepdim, shape=shape, dtype=dtype)
    return site.node("Div", [sums, site.scalar(count, sums)], shape=shape, dtype=dtype), mean


@lowers(torch.var, methods=("var",))
@numpy_names
def variance(
    site: SiteBuilder,
    input: gs.Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> gs.Tensor:
    """The mean of squared deviations, corrected."""
    dim, correction = _correction(dim, unbiased, correction)
    return _spread(site, input, dim, correction, keepdim, site.result)[0]


@lowers(torch.std, methods=("std",))
@numpy_names
def deviation(
    site: SiteBuilder,
    input: gs.Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> gs.Tensor:
    """The root of the variance."""
    dim, correction = _correction(dim, unbiased, correction)
    return site.node("Sqrt", [_spread(site, input, dim, correction, keepdim, site.result)[0]])


def _with_mean(site: SiteBuilder, input: gs.Tensor, dim: Any, correction: float, keepdim: bool, root: bool) -> Any:
    spread, mean = _spread(site, input, dim, correction, keepdim, site.result[0])
    dims, dtype = site.dims(spread), site.dtype(spread)
    if root:
        spread = site.node("Sqrt", [spread], shape=dims, dtype=dtype)
    if not keepdim:
        axes = site.ints(reduced_axes(site, input, dim))
        mean = site.node("Squeeze", [mean, axes], shape=dims, dtype=dtype)
    return spread, mean


@lowers(torch.var_mean)
@numpy_names
def var_mean(
    site: SiteBuilder,
    input: gs.Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[gs.Tensor, gs.Tensor]:
    """Variance and mean."""
    dim, correction = _correction(dim, unbiased, correction)
    return _with_mean(site, input, dim, correction, keepdim, root=False)  # type: ignore[no-any-return]


@lowers(torch.std_mean)
@numpy_names
def std_mean(
    site: SiteBuilder,
    input: gs.Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[gs.Tensor, gs.Tensor]:
    """Standard deviation and mean."""
    dim, correction = _correction(dim, unbiased, correction)
    return _with_mean(site, input, dim, correction, keepdim, root=True)  # type: ignore[no-any-return]


def _vector_norm(site: SiteBuilder, input: gs.Tensor, order: float, dim: Dims, keepdim: bool) -> gs.Tensor:
    """ReduceL1-18, ReduceL2-18, or the extremum of the absolute values."""
    x = site.cast(input, site.result_dtype)
    if order in (1, 2):
        return reduced(site, f"ReduceL{int(order)}", x, dim, keepdim)
    site.require(abs(order) == math.inf, f"the norm of order {order}")
    size = site.node("Abs", [x], shape=site.dims(x), dtype=site.dtype(x))
    return reduced(site, "ReduceMax" if order > 0 else "ReduceMin", size, dim, keepdim)


@lowers(torch.linalg.vector_norm)
@numpy_names
def vector_norm(
    site: SiteBuilder, x: gs.Tensor, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> gs.Tensor:
    """A norm of vectors along axes."""
    return _vector_norm(site, x, ord, dim, keepdim)


@lowers(torch.norm, methods=("norm",))
def norm(
    site: SiteBuilder,
    input: gs.Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    out: None = None,
    dtype: Any = None,
) -> gs.Tensor:
    """torch.norm is a norm of vectors for numbers, and for "fro"."""
    site.require(not isinstance(p, str) or p == "fro", f"the norm {p}")
    return _vector_norm(site, input, 2 if p is None or isinstance(p, str) else p, dim, keepdim)


@lowers(torch.linalg.norm)
def linalg_norm(
    site: SiteBuilder,
    A: gs.Tensor,
    ord: Any = None,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> gs.Tensor:
    """Without an order that of all elements as a vector; with one, and one axis, of vectors."""
    vectors = isinstance(dim, int) or (isinstance(dim, list | tuple) and len(dim) == 1)
    site.require(ord is None or (vectors and not isinstance(ord, str)), f"the matrix norm {ord}")
    return _vector_norm(site, A, 2 if ord is None else ord, dim, keepdim)

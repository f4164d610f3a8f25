"""The nodes of scaled dot-product attention (Vaswani et al. 2017, eq. 1), between heads that are already apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.tensor_facts import Dimension


def scores(site: SiteBuilder, query: gs.Tensor, turned_key: gs.Tensor) -> gs.Variable:
    """query (..., L, D) times the transposed key (..., D, S)."""
    left, right = site.dims(query), site.dims(turned_key)
    sizes = (*_broadcast(left[:-2], right[:-2]), left[-2], right[-1])
    return site.node("MatMul", [query, turned_key], shape=sizes, dtype=site.dtype(query))


def masked(site: SiteBuilder, values: gs.Tensor, mask: gs.Tensor, *, keeps: bool) -> gs.Variable:
    """A floating mask is added. keeps: whether True in a boolean mask means that a score counts."""
    sizes, dtype = site.dims(values), site.dtype(values)
    if site.dtype(mask) != torch.bool:
        site.require(site.dtype(mask) == dtype, f"a mask of {site.dtype(mask)} beside {dtype}")
        return site.node("Add", [values, mask], shape=sizes, dtype=dtype)
    nothing = site.scalar(-math.inf, values)
    branches = [values, nothing] if keeps else [nothing, values]
    return site.node("Where", [mask, *branches], shape=sizes, dtype=dtype)


def probabilities(site: SiteBuilder, values: gs.Tensor, *, safe: bool) -> gs.Variable:
    """Softmax-13 over the last axis. safe: a row that is masked throughout gives zeros, as torch's kernels give."""
    sizes, dtype = site.dims(values), site.dtype(values)
    out = site.node("Softmax", [values], {"axis": -1}, shape=sizes, dtype=dtype)
    if not safe:
        return out
    rows = (*sizes[:-1], 1)
    largest = site.node("ReduceMax", [values, site.ints([-1])], {"keepdims": 1}, shape=rows, dtype=dtype)
    blocked = site.node("Equal", [largest, site.scalar(-math.inf, values)], shape=rows, dtype=torch.bool)
    return site.node("Where", [blocked, site.scalar(0.0, values), out], shape=sizes, dtype=dtype)


def attended(site: SiteBuilder, weights: gs.Tensor, value: gs.Tensor) -> gs.Variable:
    """weights (..., L, S) times value (..., S, D)."""
    left, right = site.dims(weights), site.dims(value)
    sizes = (*_broadcast(left[:-2], right[:-2]), left[-2], right[-1])
    return site.node("MatMul", [weights, value], shape=sizes, dtype=site.dtype(value))


def _broadcast(left: Sequence[Dimension], right: Sequence[Dimension]) -> tuple[Dimension, ...]:
    pairs = zip_longest(reversed(left), reversed(right), fillvalue=1)
    return tuple(_wider(one, other) for one, other in pairs)[::-1]


def _wider(one: Dimension, other: Dimension) -> Dimension:
    if one == 1 or one == other:
        return other
    return one if other == 1 else None

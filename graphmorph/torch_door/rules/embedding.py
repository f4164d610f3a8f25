"""Rows of a table by number."""

from __future__ import annotations

import onnx_graphsurgeon as gs
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers, lowers_module


@lowers(F.embedding)
def embedding(
    site: SiteBuilder,
    input: gs.Tensor,
    weight: gs.Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> gs.Tensor:
    """Gather-13 of rows; padding_idx and what follows max_norm only concern gradients."""
    site.require(max_norm is None, "max_norm renormalises the table")
    site.require(site.dtype(input) in (torch.int32, torch.int64), f"numbers of type {site.dtype(input)}")
    return site.node("Gather", [weight, input], {"axis": 0})


@lowers_module(nn.Embedding)
def embedding_module(site: SiteBuilder, module: nn.Embedding, input: gs.Tensor) -> gs.Tensor:
    """Gather-13 of rows of the weight."""
    site.require(module.max_norm is None, "max_norm renormalises the table")
    return embedding(site, input, site.parameter(module.weight))


@lowers(F.one_hot)
def one_hot(site: SiteBuilder, input: gs.Tensor, num_classes: int = -1) -> gs.Tensor:
    """OneHot-11."""
    site.require(num_classes > 0, "the number of classes follows from the values")
    depth, values = site.constant(num_classes, "int64"), site.ints([0, 1])
    return site.node("OneHot", [input, depth, values], {"axis": -1})

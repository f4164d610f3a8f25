"""Softmax and its kin."""

from __future__ import annotations

from typing import Any

import onnx_graphsurgeon as gs
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers, lowers_module
from graphmorph.torch_door.rules.module_settings import for_modules
from graphmorph.torch_door.rules.numpy_names import numpy_names


def _normalised(site: SiteBuilder, op: str, input: gs.Tensor, dim: int | None) -> gs.Tensor:
    site.require(dim is not None, "no dim: torch guesses it from the rank")
    axis = site.axis(input, dim)
    return site.node(op, [site.cast(input, site.result_dtype)], {"axis": axis})


@lowers(F.softmax)
@for_modules(nn.Softmax, settings=("dim",))
def functional_softmax(
    site: SiteBuilder, input: gs.Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> gs.Tensor:
    """Softmax-13; with a dtype, of the input cast to it."""
    return _normalised(site, "Softmax", input, dim)


@lowers(torch.softmax, torch.special.softmax, methods=("softmax",))
@numpy_names
def softmax(site: SiteBuilder, input: gs.Tensor, dim: int, dtype: Any = None) -> gs.Tensor:
    """Softmax-13 along an axis that must be named."""
    return _normalised(site, "Softmax", input, dim)


@lowers(F.log_softmax)
@for_modules(nn.LogSoftmax, settings=("dim",))
def functional_log_softmax(
    site: SiteBuilder, input: gs.Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> gs.Tensor:
    """LogSoftmax-13."""
    return _normalised(site, "LogSoftmax", input, dim)


@lowers(torch.log_softmax, torch.special.log_softmax, methods=("log_softmax",))
@numpy_names
def log_softmax(site: SiteBuilder, input: gs.Tensor, dim: int, dtype: Any = None) -> gs.Tensor:
    """LogSoftmax-13 along an axis that must be named."""
    return _normalised(site, "LogSoftmax", input, dim)


@lowers(F.softmin)
@for_modules(nn.Softmin, settings=("dim",))
def softmin(
    site: SiteBuilder, input: gs.Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> gs.Tensor:
    """Softmax of the negative."""
    site.require(site.dtype(input).is_signed, f"the negative of {site.dtype(input)}")
    negative = site.node("Neg", [input], dtype=site.dtype(input))
    return _normalised(site, "Softmax", negative, dim)


@lowers_module(nn.Softmax2d)
def softmax2d_module(site: SiteBuilder, module: nn.Softmax2d, input: gs.Tensor) -> gs.Tensor:
    """Over the channels of (channels, h, w) or (batch, channels, h, w)."""
    return _normalised(site, "Softmax", input, -3)

"""Activations with an exponential piece: ELU, CELU, SELU, softplus."""

from __future__ import annotations

import math

import onnx_graphsurgeon as gs
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.float_attributes import in_float32, is_double
from graphmorph.torch_door.rules.module_settings import for_modules


@lowers(F.elu, F.elu_)
@for_modules(nn.ELU, settings=("alpha",))
def elu(site: SiteBuilder, input: gs.Tensor, alpha: float = 1.0, inplace: bool = False) -> gs.Tensor:
    """Elu-6."""
    return site.node("Elu", [input], {"alpha": in_float32(site, input, alpha)})


@lowers(F.celu, F.celu_, torch.celu)
@for_modules(nn.CELU, settings=("alpha",))
def celu(site: SiteBuilder, input: gs.Tensor, alpha: float = 1.0, inplace: bool = False) -> gs.Tensor:
    """Celu-12, which ONNX has for float32; with alpha 1 it is an ELU."""
    if alpha == 1.0:
        return site.node("Elu", [input], {"alpha": 1.0})
    site.require(site.dtype(input) == torch.float32, f"celu of {site.dtype(input)}: ONNX has it for float32")
    return site.node("Celu", [input], {"alpha": float(alpha)})


@lowers(F.selu, F.selu_, torch.selu)
@for_modules(nn.SELU)
def selu(site: SiteBuilder, input: gs.Tensor, inplace: bool = False) -> gs.Tensor:
    """Selu-6."""
    site.require(not is_double(site, input), "ONNX has the constants of selu in float32")
    return site.node("Selu", [input])


@lowers(F.softplus)
@for_modules(nn.Softplus, settings=("beta", "threshold"))
def softplus(site: SiteBuilder, input: gs.Tensor, beta: float = 1.0, threshold: float = 20.0) -> gs.Tensor:
    """log(1 + exp(beta x)) / beta, and x where beta x is above the threshold.

    The second piece is left out where it differs from the first by less than a rounding.
    """
    scaled = input if beta == 1 else site.node("Mul", [input, site.scalar(beta, input)])
    smooth = site.node("Softplus", [scaled])
    if beta != 1:
        smooth = site.node("Div", [smooth, site.scalar(beta, input)])
    rounding = torch.finfo(site.result_dtype).eps / 2
    if threshold > 1 and math.exp(-threshold) / threshold < rounding / 2:
        return smooth
    above = site.node("Greater", [scaled, site.scalar(threshold, input)], dtype=torch.bool)
    return site.node("Where", [above, input, smooth])

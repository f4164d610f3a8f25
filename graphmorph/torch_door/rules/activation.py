"""Activations without settings: one ONNX node each, or a few."""

from __future__ import annotations

import onnx_graphsurgeon as gs
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.module_settings import for_modules
from graphmorph.torch_door.rules.numpy_names import numpy_names
from graphmorph.torch_door.rules.promotion import like_result


@lowers(F.relu, F.relu_, torch.relu, methods=("relu", "relu_"))
@for_modules(nn.ReLU)
@numpy_names
def relu(site: SiteBuilder, input: gs.Tensor, inplace: bool = False) -> gs.Tensor:
    """Relu-14, which has no unsigned types."""
    site.require(site.dtype(input).is_signed, f"relu of {site.dtype(input)}")
    return site.node("Relu", [input])


@lowers(F.sigmoid, torch.sigmoid, torch.sigmoid_, torch.special.expit, methods=("sigmoid", "sigmoid_"))
@for_modules(nn.Sigmoid)
@numpy_names
def sigmoid(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """Sigmoid-13."""
    return site.node("Sigmoid", [like_result(site, input)])


@lowers(F.tanh, torch.tanh, torch.tanh_, methods=("tanh", "tanh_"))
@for_modules(nn.Tanh)
@numpy_names
def tanh(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """Tanh-13."""
    return site.node("Tanh", [like_result(site, input)])


@lowers(F.silu)
@for_modules(nn.SiLU)
def silu(site: SiteBuilder, input: gs.Tensor, inplace: bool = False) -> gs.Tensor:
    """x sigmoid(x)."""
    return site.node("Mul", [input, site.node("Sigmoid", [input])])


@lowers(F.mish)
@for_modules(nn.Mish)
def mish(site: SiteBuilder, input: gs.Tensor, inplace: bool = False) -> gs.Tensor:
    """Mish-18."""
    return site.node("Mish", [input])


@lowers(F.gelu)
@for_modules(nn.GELU, settings=("approximate",))
def gelu(site: SiteBuilder, input: gs.Tensor, approximate: str = "none") -> gs.Tensor:
    """Gelu-20."""
    site.require(approximate in ("none", "tanh"), f"gelu is approximated by {approximate!r}")
    return site.node("Gelu", [input], {"approximate": approximate})


@lowers(F.logsigmoid)
@for_modules(nn.LogSigmoid)
def logsigmoid(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """log sigmoid(x) = -softplus(-x)."""
    return site.node("Neg", [site.node("Softplus", [site.node("Neg", [input])])])


@lowers(F.softsign)
@for_modules(nn.Softsign)
def softsign(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """Softsign-1: x / (1 + |x|)."""
    return site.node("Softsign", [like_result(site, input)])


@lowers(F.tanhshrink)
@for_modules(nn.Tanhshrink)
def tanhshrink(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """x - tanh(x)."""
    x = like_result(site, input)
    return site.node("Sub", [x, site.node("Tanh", [x])])


@lowers(F.glu)
@for_modules(nn.GLU, settings=("dim",))
@numpy_names
def glu(site: SiteBuilder, input: gs.Tensor, dim: int = -1) -> gs.Tensor:
    """The first half of an axis times the sigmoid of the second."""
    axis = site.axis(input, dim)
    site.require(isinstance(site.dims(input)[axis], int), "glu halves the batch")
    half = site.result_sizes
    shape = [half[axis] if place == axis else size for place, size in enumerate(site.dims(input))]
    dtype = site.result_dtype
    halves = site.nodes(
        "Split", [input], {"axis": axis, "num_outputs": 2}, outputs=2, shapes=[shape, shape], dtypes=[dtype, dtype]
    )
    return site.node("Mul", [halves[0], site.node("Sigmoid", [halves[1]])])

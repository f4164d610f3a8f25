"""Activations made of pieces, with slopes and bounds: clipping, leaky and exponential units, shrinkage."""

from __future__ import annotations

import onnx_graphsurgeon as gs
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers, lowers_module
from graphmorph.torch_door.rules.float_attributes import is_double
from graphmorph.torch_door.rules.module_settings import for_modules
from graphmorph.torch_door.rules.numpy_names import numpy_names


@lowers(F.hardtanh, F.hardtanh_)
@for_modules(nn.Hardtanh, nn.ReLU6, settings=("min_val", "max_val"))
def hardtanh(
    site: SiteBuilder, input: gs.Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> gs.Tensor:
    """Clip-13."""
    site.require(site.dtype(input).is_floating_point, f"hardtanh of {site.dtype(input)}")
    return site.node("Clip", [input, site.scalar(min_val, input), site.scalar(max_val, input)])


@lowers(F.relu6)
def relu6(site: SiteBuilder, input: gs.Tensor, inplace: bool = False) -> gs.Tensor:
    """Clip-13 to 0 ... 6."""
    return hardtanh(site, input, 0.0, 6.0)


@lowers(F.hardsigmoid)
@for_modules(nn.Hardsigmoid)
def hardsigmoid(site: SiteBuilder, input: gs.Tensor, inplace: bool = False) -> gs.Tensor:
    """HardSigmoid-6, whose alpha is a float32: where that is too coarse, relu6(x + 3) / 6."""
    if not is_double(site, input):
        return site.node("HardSigmoid", [input], {"alpha": 1 / 6, "beta": 0.5})
    three, zero, six = (site.scalar(value, input) for value in (3.0, 0.0, 6.0))
    return site.node("Div", [site.node("Clip", [site.node("Add", [input, three]), zero, six]), six])


@lowers(F.hardswish)
@for_modules(nn.Hardswish)
def hardswish(site: SiteBuilder, input: gs.Tensor, inplace: bool = False) -> gs.Tensor:
    """HardSwish-14: x hardsigmoid(x)."""
    if is_double(site, input):
        return site.node("Mul", [input, hardsigmoid(site, input)])
    return site.node("HardSwish", [input])


@lowers(F.leaky_relu, F.leaky_relu_)
@for_modules(nn.LeakyReLU, settings=("negative_slope",))
def leaky_relu(site: SiteBuilder, input: gs.Tensor, negative_slope: float = 0.01, inplace: bool = False) -> gs.Tensor:
    """LeakyRelu-16, or PRelu-16 where its float32 slope is too coarse."""
    if is_double(site, input):
        return site.node("PRelu", [input, site.scalar(negative_slope, input)])
    return site.node("LeakyRelu", [input], {"alpha": float(negative_slope)})


@lowers(F.rrelu, F.rrelu_, torch.rrelu)
@for_modules(nn.RReLU, settings=("lower", "upper", "training"))
def rrelu(
    site: SiteBuilder,
    input: gs.Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
) -> gs.Tensor:
    """In evaluation a leaky ReLU of the mean slope."""
    site.require(not training, "rrelu draws its slopes in training")
    return leaky_relu(site, input, (lower + upper) / 2)


@lowers(F.prelu, methods=("prelu",))
def prelu(site: SiteBuilder, input: gs.Tensor, weight: gs.Tensor) -> gs.Tensor:
    """PRelu-16; the slopes (channels,) belong to axis 1, ONNX aligns them with the last one."""
    rank, count = site.rank(input), site.sizes(weight)
    site.require(len(count) <= 1, f"slopes of shape {count}")
    if count in ((), (1,)) or rank == 2:
        return site.node("PRelu", [input, weight])
    site.require(rank > 2, f"slopes of shape {count} for a tensor of rank {rank}")
    axes = list(range(1, rank - 1))
    shape = (*count, *(1 for _ in axes))
    slopes = site.node("Unsqueeze", [weight, site.ints(axes)], shape=shape, dtype=site.dtype(weight))
    return site.node("PRelu", [input, slopes])


@lowers_module(nn.PReLU)
def prelu_module(site: SiteBuilder, module: nn.PReLU, input: gs.Tensor) -> gs.Tensor:
    """PRelu-16 with the slopes of the module."""
    return prelu(site, input, site.parameter(module.weight))


@lowers(F.threshold, F.threshold_, torch.threshold)  # type: ignore[attr-defined]
@for_modules(nn.Threshold, settings=("threshold", "value"))
def threshold(site: SiteBuilder, input: gs.Tensor, threshold: float, value: float, inplace: bool = False) -> gs.Tensor:
    """`value` where x is not above `threshold`."""
    below = site.node("LessOrEqual", [input, site.scalar(threshold, input)], dtype=torch.bool)
    return site.node("Where", [below, site.scalar(value, input), input])


@lowers(F.hardshrink, methods=("hardshrink",))
@for_modules(nn.Hardshrink, settings=("lambd",))
@numpy_names
def hardshrink(site: SiteBuilder, input: gs.Tensor, lambd: float = 0.5) -> gs.Tensor:
    """Zero between -lambd and lambd; Shrink-9 would lose what is not a number."""
    small = site.node("LessOrEqual", [site.node("Abs", [input]), site.scalar(lambd, input)], dtype=torch.bool)
    return site.node("Where", [small, site.scalar(0.0, input), input])


@lowers(F.softshrink)
@for_modules(nn.Softshrink, settings=("lambd",))
@numpy_names
def softshrink(site: SiteBuilder, input: gs.Tensor, lambd: float = 0.5) -> gs.Tensor:
    """x minus x clipped to -lambd ... lambd; Shrink-9 would lose what is not a number."""
    return site.node("Sub", [input, hardtanh(site, input, -lambd, lambd)])

"""Layer norm (LayerNormalization-17) and RMS norm."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_graphsurgeon as gs
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.norm_parameters import filled, optional_parameter
from graphmorph.torch_door.rule_table import lowers, lowers_module
from graphmorph.torch_door.traced_numbers import plain_ints, require_floating, static_sizes


@lowers(F.layer_norm, torch.layer_norm)
def layer_norm(
    site: SiteBuilder,
    input: gs.Tensor,
    normalized_shape: Sequence[int] | int,
    weight: gs.Tensor | None = None,
    bias: gs.Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> gs.Tensor:
    """LayerNormalization-17; without a weight the scale is a constant of ones."""
    require_floating(site, input, weight, bias)
    axis = _first_normalized(site, input, normalized_shape)
    if weight is None:
        plain_ints(site, normalized_shape, "normalized_shape")
        weight = filled(site, input, static_sizes(site, input, axis, "the sizes that are normalized"), 1.0)
    inputs = [input, weight] if bias is None else [input, weight, bias]
    return site.node("LayerNormalization", inputs, {"axis": axis, "epsilon": float(eps)})


@lowers_module(nn.LayerNorm)
def layer_norm_module(site: SiteBuilder, module: nn.LayerNorm, input: gs.Tensor) -> gs.Tensor:
    """nn.LayerNorm."""
    weight, bias = optional_parameter(site, module.weight), optional_parameter(site, module.bias)
    return layer_norm(site, input, module.normalized_shape, weight, bias, module.eps)


@lowers(F.rms_norm, torch.rms_norm)
def rms_norm(
    site: SiteBuilder,
    input: gs.Tensor,
    normalized_shape: Sequence[int] | int,
    weight: gs.Tensor | None = None,
    eps: float | None = None,
) -> gs.Tensor:
    """x / sqrt(mean(x²) + eps) · weight (Zhang and Sennrich 2019, eq. 4); torch computes half types in float32."""
    require_floating(site, input, weight)
    dims, dtype = site.dims(input), site.dtype(input)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    axis = _first_normalized(site, input, normalized_shape)
    axes = site.ints(range(axis, len(dims)))
    reduced = (*dims[:axis], *(1 for _ in dims[axis:]))
    x = site.cast(input, wide)
    square = site.node("Mul", [x, x], shape=dims, dtype=wide)
    mean = site.node("ReduceMean", [square, axes], {"keepdims": 1}, shape=reduced, dtype=wide)
    epsilon = site.scalar(torch.finfo(wide).eps if eps is None else float(eps), mean)
    root = site.node("Add", [mean, epsilon], shape=reduced, dtype=wide)
    root = site.node("Sqrt", [root], shape=reduced, dtype=wide)
    out: gs.Tensor = site.cast(site.node("Div", [x, root], shape=dims, dtype=wide), dtype)
    return out if weight is None else site.node("Mul", [out, weight])


@lowers_module(nn.RMSNorm)
def rms_norm_module(site: SiteBuilder, module: nn.RMSNorm, input: gs.Tensor) -> gs.Tensor:
    """nn.RMSNorm."""
    return rms_norm(site, input, module.normalized_shape, optional_parameter(site, module.weight), module.eps)


def _first_normalized(site: SiteBuilder, input: gs.Tensor, normalized_shape: Sequence[int] | int) -> int:
    """The axis from which on a tensor is normalized; torch has checked the sizes."""
    return site.rank(input) - (len(normalized_shape) if isinstance(normalized_shape, Sequence) else 1)

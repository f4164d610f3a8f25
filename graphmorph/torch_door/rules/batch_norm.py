"""Batch normalisation (BatchNormalization-15), with the mode that it is in."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.element_types import numpy_dtype
from graphmorph.torch_door.rule_table import lowers, lowers_module


def _filled(site: SiteBuilder, channels: int, value: float, dtype: torch.dtype) -> gs.Constant:
    return site.constant(np.full(channels, value), numpy_dtype(dtype))


def _normalised(
    site: SiteBuilder,
    input: gs.Tensor,
    parameters: tuple[gs.Tensor | None, gs.Tensor | None],
    statistics: tuple[gs.Tensor | None, gs.Tensor | None],
    *,
    by_batch: bool,
    momentum: float | None,
    eps: float,
) -> gs.Tensor:
    """y = weight * (x - mean) / sqrt(var + eps) + bias; by the batch's own statistics in training."""
    site.require(site.rank(input) >= 2, "batch normalisation of a tensor without batch")
    channels = site.sizes(input)[1]
    dtype = site.dtype(input)
    weight, bias = parameters
    mean, variance = statistics
    scale = weight if weight is not None else _filled(site, channels, 1.0, dtype)
    offset = bias if bias is not None else _filled(site, channels, 0.0, dtype)
    mean = mean if mean is not None else _filled(site, channels, 0.0, dtype)
    variance = variance if variance is not None else _filled(site, channels, 1.0, dtype)
    inputs = [input, scale, offset, mean, variance]
    attrs = {"epsilon": float(eps), "momentum": 1.0 - (momentum if momentum is not None else 0.1)}
    if not by_batch:
        return site.node("BatchNormalization", inputs, {**attrs, "training_mode": 0})
    shapes = [site.dims(input), (channels,), (channels,)]
    dtypes = [dtype, site.dtype(mean), site.dtype(variance)]
    return site.nodes(
        "BatchNormalization", inputs, {**attrs, "training_mode": 1}, outputs=3, shapes=shapes, dtypes=dtypes
    )[0]


@lowers_module(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
def batch_norm_module(site: SiteBuilder, module: nn.BatchNorm2d, input: gs.Tensor) -> gs.Tensor:
    """Without running statistics it goes by the batch's in evaluation too."""
    state = [module.weight, module.bias, module.running_mean, module.running_var]
    weight, bias, mean, variance = (None if tensor is None else site.parameter(tensor) for tensor in state)
    return _normalised(
        site,
        input,
        (weight, bias),
        (mean, variance),
        by_batch=module.training or module.running_mean is None,
        momentum=module.momentum,
        eps=module.eps,
    )


@lowers(F.batch_norm)
def batch_norm(
    site: SiteBuilder,
    input: gs.Tensor,
    running_mean: gs.Tensor | None,
    running_var: gs.Tensor | None,
    weight: gs.Tensor | None = None,
    bias: gs.Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> gs.Tensor:
    """F.batch_norm."""
    site.require(training or (running_mean is not None and running_var is not None), "no running statistics")
    return _normalised(
        site,
        input,
        (weight, bias),
        (running_mean, running_var),
        by_batch=bool(training),
        momentum=momentum,
        eps=eps,
    )

"""Group norm and instance norm.

Sources: InstanceNormalization-6, BatchNormalization-15. ONNX's GroupNormalization of opset 18 has one scale for each
group where torch has one for each channel, so group norm (Wu and He 2018, eq. 1-4) is an instance norm of the groups,
then scale and shift.
"""

from __future__ import annotations

import math

import onnx_graphsurgeon as gs
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.norm_parameters import along_channels, filled, optional_parameter
from graphmorph.torch_door.rule_table import lowers, lowers_module
from graphmorph.torch_door.traced_numbers import plain_ints, require_floating, static_sizes


@lowers(F.group_norm, torch.group_norm)
def group_norm(
    site: SiteBuilder,
    input: gs.Tensor,
    num_groups: int,
    weight: gs.Tensor | None = None,
    bias: gs.Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> gs.Tensor:
    """(N, C, ...) as (N, groups, -1), InstanceNormalization-6, back, and Mul and Add for each channel."""
    require_floating(site, input, weight, bias)
    dims, dtype = site.dims(input), site.dtype(input)
    (groups,) = plain_ints(site, num_groups, "num_groups")
    site.specialised("its groups are apart again by the traced sizes")
    channels_on = static_sizes(site, input, 1, "the sizes behind the batch")
    grouped = (dims[0], groups, math.prod(channels_on) // groups)
    out = site.node("Reshape", [input, site.ints([0, groups, -1])], shape=grouped, dtype=dtype)
    ones, zeros = filled(site, input, [groups], 1.0), filled(site, input, [groups], 0.0)
    out = site.node("InstanceNormalization", [out, ones, zeros], {"epsilon": float(eps)}, shape=grouped, dtype=dtype)
    out = site.node("Reshape", [out, site.ints([0, *channels_on])], shape=dims, dtype=dtype)
    for op, parameter in (("Mul", weight), ("Add", bias)):
        if parameter is not None:
            out = site.node(op, [out, along_channels(site, parameter, len(dims))], shape=dims, dtype=dtype)
    return out


@lowers_module(nn.GroupNorm)
def group_norm_module(site: SiteBuilder, module: nn.GroupNorm, input: gs.Tensor) -> gs.Tensor:
    """nn.GroupNorm."""
    weight, bias = optional_parameter(site, module.weight), optional_parameter(site, module.bias)
    return group_norm(site, input, module.num_groups, weight, bias, module.eps)


def _instance_norm(
    site: SiteBuilder,
    input: gs.Tensor,
    affine: tuple[gs.Tensor | None, gs.Tensor | None],
    running: tuple[gs.Tensor | None, gs.Tensor | None],
    use_input_stats: bool,
    eps: float,
) -> gs.Tensor:
    """InstanceNormalization-6; with running statistics it is BatchNormalization-15 of an eval mode."""
    require_floating(site, input, *affine, *running)
    (channels, *_) = static_sizes(site, input, 1, "the sizes behind the batch")
    weight, bias = affine
    scale = filled(site, input, [channels], 1.0) if weight is None else weight
    shift = filled(site, input, [channels], 0.0) if bias is None else bias
    mean, var = running
    if use_input_stats:
        site.require(mean is None and var is None, "instance norm that updates running statistics")
        return site.node("InstanceNormalization", [input, scale, shift], {"epsilon": float(eps)})
    site.require(mean is not None and var is not None, "instance norm without running statistics")
    return site.node(
        "BatchNormalization", [input, scale, shift, mean, var], {"epsilon": float(eps), "training_mode": 0}
    )


@lowers(F.instance_norm)
def instance_norm(
    site: SiteBuilder,
    input: gs.Tensor,
    running_mean: gs.Tensor | None = None,
    running_var: gs.Tensor | None = None,
    weight: gs.Tensor | None = None,
    bias: gs.Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> gs.Tensor:
    """F.instance_norm."""
    return _instance_norm(site, input, (weight, bias), (running_mean, running_var), use_input_stats, eps)


@lowers(torch.instance_norm)
def torch_instance_norm(
    site: SiteBuilder,
    input: gs.Tensor,
    weight: gs.Tensor | None,
    bias: gs.Tensor | None,
    running_mean: gs.Tensor | None,
    running_var: gs.Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> gs.Tensor:
    """torch.instance_norm, whose arguments come in another order."""
    return _instance_norm(site, input, (weight, bias), (running_mean, running_var), use_input_stats, eps)


@lowers_module(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
def instance_norm_module(
    site: SiteBuilder, module: nn.InstanceNorm1d | nn.InstanceNorm2d | nn.InstanceNorm3d, input: gs.Tensor
) -> gs.Tensor:
    """nn.InstanceNorm; in training it goes by the input and updates the running statistics."""
    batched = {nn.InstanceNorm1d: 3, nn.InstanceNorm2d: 4, nn.InstanceNorm3d: 5}[type(module)]
    site.require(site.rank(input) == batched, "instance norm of an input without a batch dimension")
    weight, bias = optional_parameter(site, module.weight), optional_parameter(site, module.bias)
    mean, var = optional_parameter(site, module.running_mean), optional_parameter(site, module.running_var)
    use_input_stats = module.training or not module.track_running_stats
    return _instance_norm(site, input, (weight, bias), (mean, var), use_input_stats, module.eps)

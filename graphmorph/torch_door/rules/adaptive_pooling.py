"""Adaptive pooling where all its windows are alike.

Sources: GlobalAveragePool-1, GlobalMaxPool-1, ReduceMean-18, ReduceMax-20, AveragePool-19, MaxPool-12.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx_graphsurgeon as gs
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.pooling_windows import INDICES, dimensions, pooled_sizes
from graphmorph.torch_door.rule_table import lowers, lowers_module
from graphmorph.torch_door.traced_numbers import per_axis, require_floating


def adaptive_pool(site: SiteBuilder, kind: str, spatial: int, input: gs.Tensor, output_size: Any) -> gs.Tensor:
    """Adaptive pooling (kind "Average" or "Max") where all its windows are alike.

    One value for an axis is the mean or maximum over it, whatever its size; None leaves an axis as it is. Else the
    windows are those of the traced sizes, if these are divisible.
    """
    require_floating(site, input)
    sizes = pooled_sizes(site, spatial, input)
    asked = list(output_size) if isinstance(output_size, Sequence) else [output_size] * spatial
    site.require(len(asked) == spatial, f"output_size {output_size!r} for {spatial} dimensions")
    target = [None if one is None else per_axis(site, one, 1, "output_size")[0] for one in asked]
    if isinstance(output_size, torch.Size):
        site.specialised("output_size was computed from the traced shapes")
    if all(one == 1 for one in target):
        return site.node(f"Global{kind}Pool", [input])
    if all(one is None for one in target):
        return input
    if all(one in (1, None) for one in target):
        axes = site.ints([axis + 2 for axis, one in enumerate(target) if one == 1])
        return site.node({"Average": "ReduceMean", "Max": "ReduceMax"}[kind], [input, axes], {"keepdims": 1})
    results = [size if one is None else one for size, one in zip(sizes, target, strict=True)]
    divisible = all(size % one == 0 for size, one in zip(sizes, results, strict=True))
    site.require(divisible, f"adaptive pooling from {sizes} to {results} has windows of different sizes")
    site.specialised(f"adaptive pooling has windows of one size from {sizes} to {results}")
    kernel = [size // one for size, one in zip(sizes, results, strict=True)]
    if set(kernel) == {1}:
        return input
    attrs = {"kernel_shape": kernel, "strides": kernel, "pads": [0] * (2 * spatial), "ceil_mode": 0}
    attrs |= {"count_include_pad": 0} if kind == "Average" else {"dilations": [1] * spatial}
    return site.node(f"{kind}Pool", [input], attrs)


def _adaptive(kind: str, spatial: int) -> Callable[..., gs.Tensor]:
    def rule(site: SiteBuilder, input: gs.Tensor, output_size: Any, return_indices: bool = False) -> gs.Tensor:
        site.require(not return_indices, INDICES)
        return adaptive_pool(site, kind, spatial, input, output_size)

    return rule


lowers(F.adaptive_avg_pool1d)(_adaptive("Average", 1))
lowers(F.adaptive_avg_pool2d)(_adaptive("Average", 2))
lowers(F.adaptive_avg_pool3d)(_adaptive("Average", 3))
lowers(F.adaptive_max_pool1d, F.adaptive_max_pool1d_with_indices)(_adaptive("Max", 1))
lowers(F.adaptive_max_pool2d, F.adaptive_max_pool2d_with_indices)(_adaptive("Max", 2))
lowers(F.adaptive_max_pool3d, F.adaptive_max_pool3d_with_indices)(_adaptive("Max", 3))


@lowers_module(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
def adaptive_average_pool_module(
    site: SiteBuilder,
    module: nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d | nn.AdaptiveAvgPool3d,
    input: gs.Tensor,
) -> gs.Tensor:
    """nn.AdaptiveAvgPool."""
    return adaptive_pool(site, "Average", dimensions(module), input, module.output_size)


@lowers_module(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
def adaptive_max_pool_module(
    site: SiteBuilder,
    module: nn.AdaptiveMaxPool1d | nn.AdaptiveMaxPool2d | nn.AdaptiveMaxPool3d,
    input: gs.Tensor,
) -> gs.Tensor:
    """nn.AdaptiveMaxPool."""
    site.require(not module.return_indices, INDICES)
    return adaptive_pool(site, "Max", dimensions(module), input, module.output_size)

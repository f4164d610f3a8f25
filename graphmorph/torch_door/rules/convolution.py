"""Convolutions (Conv-11) and transposed convolutions (ConvTranspose-11), as modules and as functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx_graphsurgeon as gs
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers, lowers_module

Ints = int | Sequence[int]

_PADDING_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _spread(value: Ints, rank: int) -> list[int]:
    """One number a spatial axis."""
    if isinstance(value, int):
        return [value] * rank
    listed = list(value)
    return listed * rank if len(listed) == 1 else listed


def _convolution(
    site: SiteBuilder,
    input: gs.Tensor,
    weight: gs.Tensor,
    bias: gs.Tensor | None,
    stride: Ints,
    padding: Ints | str,
    dilation: Ints,
    groups: int,
) -> gs.Tensor:
    """weight: (out, in/groups, *kernel)."""
    kernel = list(site.sizes(weight)[2:])
    rank = len(kernel)
    site.require(site.rank(input) == rank + 2, f"a convolution over a tensor of rank {site.rank(input)} without batch")
    strides, dilations = _spread(stride, rank), _spread(dilation, rank)
    if padding == "valid":
        padding = 0
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
        pads = [t // 2 for t in totals] + [t - t // 2 for t in totals]
    else:
        site.require(not isinstance(padding, str), f"padding {padding!r}")
        pads = _spread(padding, rank) * 2  # type: ignore[arg-type]
    attrs = {"dilations": dilations, "group": groups, "kernel_shape": kernel, "pads": pads, "strides": strides}
    inputs = [input, weight] if bias is None else [input, weight, bias]
    return site.node("Conv", inputs, attrs)


@lowers(F.conv1d, F.conv2d, F.conv3d)
def convolution(
    site: SiteBuilder,
    input: gs.Tensor,
    weight: gs.Tensor,
    bias: gs.Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> gs.Tensor:
    """F.conv1d, F.conv2d, F.conv3d; the weight may be computed."""
    return _convolution(site, input, weight, bias, stride, padding, dilation, groups)


@lowers_module(nn.Conv1d, nn.Conv2d, nn.Conv3d)
def convolution_module(site: SiteBuilder, module: nn.Conv2d, input: gs.Tensor) -> gs.Tensor:
    """nn.Conv1d, nn.Conv2d, nn.Conv3d; padding modes other than zeros are a Pad before."""
    weight = site.parameter(module.weight)
    bias = None if module.bias is None else site.parameter(module.bias)
    padding: Ints | str = module.padding
    if module.padding_mode != "zeros":
        input, padding = _padded(site, module, input), 0
    return _convolution(site, input, weight, bias, module.stride, padding, module.dilation, module.groups)


def _padded(site: SiteBuilder, module: nn.Conv2d, input: gs.Tensor) -> gs.Tensor:
    """Pad-19 by the module's own padding."""
    site.require(module.padding_mode in _PADDING_MODES, f"padding_mode {module.padding_mode}")
    twice: list[int] = list(module._reversed_padding_repeated_twice)
    pairs = [(twice[i], twice[i + 1]) for i in range(0, len(twice), 2)][::-1]
    pads = [0, 0, *(begin for begin, _ in pairs), 0, 0, *(end for _, end in pairs)]
    sizes = [*site.dims(input)[:2], *(n + sum(p) for n, p in zip(site.sizes(input)[2:], pairs, strict=True))]
    mode = {"mode": _PADDING_MODES[module.padding_mode]}
    return site.node("Pad", [input, site.ints(pads)], mode, shape=sizes, dtype=site.dtype(input))


def _transposed(
    site: SiteBuilder,
    input: gs.Tensor,
    weight: gs.Tensor,
    bias: gs.Tensor | None,
    stride: Ints,
    padding: Ints,
    output_padding: Ints,
    groups: int,
    dilation: Ints,
) -> gs.Tensor:
    """weight: (in, out/groups, *kernel)."""
    kernel = list(site.sizes(weight)[2:])
    rank = len(kernel)
    site.require(site.rank(input) == rank + 2, f"a convolution over a tensor of rank {site.rank(input)} without batch")
    attrs = {
        "dilations": _spread(dilation, rank),
        "group": groups,
        "kernel_shape": kernel,
        "output_padding": _spread(output_padding, rank),
        "pads": _spread(padding, rank) * 2,
        "strides": _spread(stride, rank),
    }
    return site.node("ConvTranspose", [input, weight] if bias is None else [input, weight, bias], attrs)


@lowers(F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
def transposed_convolution(
    site: SiteBuilder,
    input: gs.Tensor,
    weight: gs.Tensor,
    bias: gs.Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> gs.Tensor:
    """F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d."""
    return _transposed(site, input, weight, bias, stride, padding, output_padding, groups, dilation)


@lowers_module(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
def transposed_convolution_module(
    site: SiteBuilder, module: nn.ConvTranspose2d, input: gs.Tensor, output_size: Sequence[int] | None = None
) -> gs.Tensor:
    """nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d."""
    site.require(output_size is None, "output_size is not understood; use output_padding")
    padding: Any = module.padding
    weight = site.parameter(module.weight)
    bias = None if module.bias is None else site.parameter(module.bias)
    return _transposed(
        site, input, weight, bias, module.stride, padding, module.output_padding, module.groups, module.dilation
    )

"""Pooling over windows (max, average, Lp), in one, two and three dimensions.

Sources: MaxPool-12, AveragePool-19, LpPool-18. ceil_mode: torch drops a window
that would start in the padding at the end; ONNX's text and shape inference do not, onnxruntime does. Where it happens
the windows are those of rounding down, which is what is written then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx_graphsurgeon as gs
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.pooling_windows import INDICES, PoolingWindows, dimensions, pooled_sizes
from graphmorph.torch_door.rule_table import lowers, lowers_module
from graphmorph.torch_door.traced_numbers import per_axis, require_floating

_BYTES = (torch.uint8, torch.int8)


def _max_pool(spatial: int) -> Callable[..., gs.Tensor]:
    def rule(
        site: SiteBuilder,
        input: gs.Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> gs.Tensor:
        site.require(not return_indices, INDICES)
        if site.dtype(input) not in _BYTES:
            require_floating(site, input)
        windows = _windows(site, spatial, input, kernel_size, stride, padding, dilation)
        empty = any(windows.empty(axis, count) for axis, count in enumerate(site.result_sizes[2:]))
        site.require(not empty, "a dilated window sees nothing but padding")
        fits = all(pad < size for pad, size in zip(windows.pads, windows.kernel, strict=True))
        site.require(fits, "the padding is as large as the kernel")
        attrs = {"dilations": list(windows.dilations), "ceil_mode": _ceil_mode(site, windows, ceil_mode)}
        return site.node("MaxPool", [input], windows.attributes() | attrs)

    return rule


def _average_pool(spatial: int) -> Callable[..., gs.Tensor]:
    def rule(
        site: SiteBuilder,
        input: gs.Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> gs.Tensor:
        require_floating(site, input)
        windows = _windows(site, spatial, input, kernel_size, stride, padding, 1)
        overriding = divisor_override is not None
        counted = overriding or (count_include_pad and any(windows.pads))
        attrs = {"ceil_mode": _ceil_mode(site, windows, ceil_mode), "count_include_pad": int(counted)}
        site.require(not (overriding and attrs["ceil_mode"]), "divisor_override together with ceil_mode")
        out = site.node("AveragePool", [input], windows.attributes() | attrs)
        if divisor_override is None or divisor_override == windows.volume:
            return out
        (divisor,) = per_axis(site, divisor_override, 1, "divisor_override")
        return site.node("Mul", [out, site.scalar(windows.volume / divisor, input)])

    return rule


def _lp_pool(spatial: int) -> Callable[..., gs.Tensor]:
    def rule(
        site: SiteBuilder,
        input: gs.Tensor,
        norm_type: float,
        kernel_size: Any,
        stride: Any = None,
        ceil_mode: bool = False,
    ) -> gs.Tensor:
        """torch takes powers without absolute values: only for even orders is that ONNX's (Σ|x|^p)^(1/p)."""
        require_floating(site, input)
        even = norm_type > 0 and norm_type % 2 == 0
        site.require(even, f"Lp pooling of order {norm_type}, which is not even: torch adds signed powers")
        windows = _windows(site, spatial, input, kernel_size, stride, 0, 1)
        if ceil_mode:
            overhang = any(windows.overhanging(a) and not windows.dropped(a) for a in range(spatial))
            site.require(not overhang, "torch rescales the windows that ceil_mode cuts off")
            site.specialised("ceil_mode makes no difference for the traced sizes")
        return site.node("LpPool", [input], windows.attributes() | {"p": int(norm_type)})

    return rule


def _windows(
    site: SiteBuilder, spatial: int, input: gs.Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> PoolingWindows:
    sizes = pooled_sizes(site, spatial, input)
    kernel = per_axis(site, kernel_size, spatial, "kernel_size")
    strided = stride is not None and not (isinstance(stride, Sequence) and not stride)
    return PoolingWindows(
        sizes,
        kernel,
        per_axis(site, stride, spatial, "stride") if strided else kernel,
        per_axis(site, padding, spatial, "padding"),
        per_axis(site, dilation, spatial, "dilation"),
    )


def _ceil_mode(site: SiteBuilder, windows: PoolingWindows, ceil_mode: bool) -> int:
    axes = range(len(windows.sizes))
    if not ceil_mode or not any(windows.dropped(axis) for axis in axes):
        return int(ceil_mode)
    kept = any(windows.overhanging(axis) and not windows.dropped(axis) for axis in axes)
    site.require(not kept, "ceil_mode adds a window along one axis, and along another torch drops the one it adds")
    site.specialised("ceil_mode makes no difference for the traced sizes")
    return 0


_MAX = {n: _max_pool(n) for n in (1, 2, 3)}
_AVERAGE = {n: _average_pool(n) for n in (1, 2, 3)}
_LP = {n: _lp_pool(n) for n in (1, 2, 3)}

lowers(F.max_pool1d, torch.max_pool1d, F.max_pool1d_with_indices)(_MAX[1])
lowers(F.max_pool2d, torch.max_pool2d, F.max_pool2d_with_indices)(_MAX[2])
lowers(F.max_pool3d, torch.max_pool3d, F.max_pool3d_with_indices)(_MAX[3])
lowers(F.avg_pool1d)(_AVERAGE[1])
lowers(F.avg_pool2d)(_AVERAGE[2])
lowers(F.avg_pool3d)(_AVERAGE[3])
lowers(F.lp_pool1d)(_LP[1])
lowers(F.lp_pool2d)(_LP[2])
lowers(F.lp_pool3d)(_LP[3])


@lowers_module(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
def max_pool_module(
    site: SiteBuilder, module: nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d, input: gs.Tensor
) -> gs.Tensor:
    """nn.MaxPool."""
    sizes = (module.kernel_size, module.stride, module.padding, module.dilation)
    return _MAX[dimensions(module)](site, input, *sizes, module.ceil_mode, module.return_indices)


@lowers_module(nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
def average_pool_module(
    site: SiteBuilder, module: nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d, input: gs.Tensor
) -> gs.Tensor:
    """nn.AvgPool."""
    sizes = (module.kernel_size, module.stride, module.padding)
    divisor = getattr(module, "divisor_override", None)
    rule = _AVERAGE[dimensions(module)]
    return rule(site, input, *sizes, module.ceil_mode, module.count_include_pad, divisor)


@lowers_module(nn.LPPool1d, nn.LPPool2d, nn.LPPool3d)
def lp_pool_module(site: SiteBuilder, module: nn.LPPool1d | nn.LPPool2d | nn.LPPool3d, input: gs.Tensor) -> gs.Tensor:
    """nn.LPPool."""
    rule = _LP[dimensions(module)]
    return rule(site, input, module.norm_type, module.kernel_size, module.stride, module.ceil_mode)

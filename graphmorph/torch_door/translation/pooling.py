"""Pooling, as modules; torch allows pads up to half a window, so larger ones become a pad before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from graphmorph.torch_door.translation.operands import Value, is_read, rank_of, require
from graphmorph.torch_door.translation.windows import Window, padded, read_window
from graphmorph.torch_door.translation_table import Translation, translates

_MAX: tuple[type[Any], ...] = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_AVERAGE: tuple[type[Any], ...] = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_LP: tuple[Callable[..., Any], ...] = (functional.lp_pool1d, functional.lp_pool2d, functional.lp_pool3d)
_GLOBAL_AVERAGE: tuple[type[Any], ...] = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
_GLOBAL_MAX: tuple[type[Any], ...] = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)


@translates("MaxPool", 1, 8, 10, 11, 12, 22)
def max_pool(t: Translation) -> fx.Node:
    """The greatest element under a window; pads never win."""
    require(t, not is_read(t, 1), "it gives indices, which count otherwise in torch", "remove the second output")
    window, ceil = _window(t), bool(t.attr("ceil_mode", 0))
    longest = zip(window.begins, window.ends, window.extents, strict=True)
    require(t, all(max(b, e) < extent for b, e, extent in longest), "a window may lie in its pads altogether")
    inside = _pads_inside(window)
    require(t, inside or not ceil, "ceil_mode with pads that torch's pool does not take", "make the pads explicit")
    cls, x = _MAX[window.rank - 1], t.value(0) if inside else padded(t, window, float("-inf"))
    pads = window.begins if inside else (0,) * window.rank
    return t.layer(lambda: cls(window.kernel, window.strides, pads, window.dilations, ceil_mode=ceil), x)


@translates("AveragePool", 7, 10, 11, 19, 22)
def average_pool(t: Translation) -> fx.Node:
    """The mean of the elements under a window, with or without its pads.

    What a window of ceil_mode has beyond the pads never counts, in onnxruntime and in torch.
    """
    window, counted = _window(t), bool(t.attr("count_include_pad", 0))
    ceil = bool(t.attr("ceil_mode", 0))
    require(t, all(d == 1 for d in window.dilations), "it has dilations", "torch's average pools have none")
    inside = _pads_inside(window)
    reason = f"pads {[*window.begins, *window.ends]} that torch's pool does not take"
    require(t, inside or counted, f"{reason} and that are not counted", "count_include_pad=1 could be translated")
    require(t, inside or not ceil, f"ceil_mode with {reason}", "make the pads explicit")
    cls, x = _AVERAGE[window.rank - 1], t.value(0) if inside else padded(t, window)
    pads = window.begins if inside else (0,) * window.rank
    return t.layer(lambda: cls(window.kernel, window.strides, pads, ceil_mode=ceil, count_include_pad=counted), x)


@translates("LpPool", 2, 11, 18, 22)
def lp_pool(t: Translation) -> fx.Node:
    """The p-norm of the elements under a window. torch does not take the magnitude, so it is taken here."""
    window, p = _window(t), int(t.attr("p", 2))
    plain = all(d == 1 for d in window.dilations) and not t.attr("ceil_mode", 0)
    require(t, plain, "dilations or ceil_mode", "torch's Lp pool has no such window")
    x: Value = padded(t, window) if any((*window.begins, *window.ends)) else t.value(0)
    if p % 2:
        x = t.call(torch.abs, x)
    return t.call(_LP[window.rank - 1], x, float(p), _single(window.kernel), _single(window.strides))


def _single(sizes: tuple[int, ...]) -> int | tuple[int, ...]:
    return sizes[0] if len(sizes) == 1 else sizes


def _window(t: Translation) -> Window:
    return read_window(t, [int(k) for k in t.attr("kernel_shape") or ()])


def _pads_inside(window: Window) -> bool:
    """Whether torch's pools take the pads: alike on both sides, and at most half of the kernel, undilated."""
    halves = zip(window.begins, window.kernel, strict=True)
    return window.symmetric and all(2 * pad <= size for pad, size in halves)


@translates("GlobalAveragePool", 1, 22)
def global_average_pool(t: Translation) -> fx.Node:
    """The mean over all spatial axes, which keep size 1."""
    return _global(t, _GLOBAL_AVERAGE, lambda x, axes: t.call(torch.mean, x, axes, True))


@translates("GlobalMaxPool", 1, 22)
def global_max_pool(t: Translation) -> fx.Node:
    """The greatest element over all spatial axes, which keep size 1."""
    return _global(t, _GLOBAL_MAX, lambda x, axes: t.call(torch.amax, x, axes, True))


@translates("GlobalLpPool", 2, 22)
def global_lp_pool(t: Translation) -> fx.Node:
    """The p-norm over all spatial axes, which keep size 1."""
    axes = tuple(range(2, rank_of(t)))
    require(t, bool(axes), "its input has no spatial axes")
    return t.call(torch.linalg.vector_norm, t.value(0), int(t.attr("p", 2)), axes, True)


def _global(
    t: Translation, modules: tuple[type[Any], ...], otherwise: Callable[[Value, tuple[int, ...]], fx.Node]
) -> fx.Node:
    rank = rank_of(t)
    require(t, rank >= 3, f"its input has rank {rank}, so no spatial axes")
    if rank > 5:
        return otherwise(t.value(0), tuple(range(2, rank)))
    return t.layer(lambda: modules[rank - 3](1))

"""Conv and ConvTranspose, as modules where the weights are constant."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from graphmorph.torch_door.translation.operands import Value, require
from graphmorph.torch_door.translation.windows import Window, padded, read_window
from graphmorph.torch_door.translation_table import Translation, translates

_CONV: tuple[type[nn.Module], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_CONV_CALLS: tuple[Callable[..., Any], ...] = (functional.conv1d, functional.conv2d, functional.conv3d)
_TRANSPOSED: tuple[type[nn.Module], ...] = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_TRANSPOSED_CALLS: tuple[Callable[..., Any], ...] = (
    functional.conv_transpose1d,
    functional.conv_transpose2d,
    functional.conv_transpose3d,
)


@translates("Conv", 1, 11, 22)
def conv(t: Translation) -> fx.Node:
    """A convolution with weight (out, in/groups, k...); pads that differ at the two ends become a pad before it."""
    window, groups = _weight_window(t), int(t.attr("group", 1))
    x: Value = t.value(0) if window.symmetric else padded(t, window)
    settings = {
        "stride": window.strides,
        "padding": window.begins if window.symmetric else (0,) * window.rank,
        "dilation": window.dilations,
        "groups": groups,
    }
    if not _constant_weights(t):
        return t.call(_CONV_CALLS[window.rank - 1], x, t.value(1), _bias(t), **settings)
    cls, (out, per_group) = _CONV[window.rank - 1], _sizes(t)
    return t.layer(lambda: _convolution(t, cls, per_group * groups, out, window, settings), x)


@translates("ConvTranspose", 1, 11, 22)
def conv_transpose(t: Translation) -> fx.Node:
    """A transposed convolution with weight (in, out/groups, k...).

    ONNX's pads cut the result, so pads that differ at the two ends become a slice of the uncut one. output_padding
    lengthens the end: where the result is sliced, it takes back what the pads cut there.
    """
    window, groups = _weight_window(t), int(t.attr("group", 1))
    require(t, not t.attr("output_shape"), "output_shape is given", "replace it by the pads that it stands for")
    extra = tuple(int(n) for n in t.attr("output_padding") or [0] * window.rank)
    ends = tuple(end - more for end, more in zip(window.ends, extra, strict=True))
    sliced = not window.symmetric and all(end >= 0 for end in ends)
    require(t, sliced or window.symmetric, f"output_padding {list(extra)} exceeds the pads {list(window.ends)}")
    fits = all(e < max(s, d) for e, s, d in zip(extra, window.strides, window.dilations, strict=True))
    require(t, sliced or fits, f"output_padding {list(extra)} is not below stride or dilation, as torch asks")
    none = (0,) * window.rank
    settings = {
        "stride": window.strides,
        "padding": none if sliced else window.begins,
        "output_padding": none if sliced else extra,
        "groups": groups,
        "dilation": window.dilations,
    }
    if _constant_weights(t):
        cls, (into, per_group) = _TRANSPOSED[window.rank - 1], _sizes(t)
        result = t.layer(lambda: _convolution(t, cls, into, per_group * groups, window, settings), t.value(0))
    else:
        result = t.call(_TRANSPOSED_CALLS[window.rank - 1], t.value(0), t.value(1), _bias(t), **settings)
    if not sliced:
        return result
    cuts = (slice(begin, -end if end else None) for begin, end in zip(window.begins, ends, strict=True))
    return t.call(operator.getitem, result, (slice(None), slice(None), *cuts))


def _weight_window(t: Translation) -> Window:
    dims = t.dims(1)
    sizes: list[Any] = list(t.attr("kernel_shape") or (dims or ())[2:])
    known = bool(sizes) and all(isinstance(size, int) for size in sizes)
    require(t, known, "the size of its kernel is not known", "give the attribute kernel_shape")
    return read_window(t, sizes)


def _sizes(t: Translation) -> tuple[int, int]:
    """The first two sizes of a constant weight."""
    first, second, *_ = t.node.inputs[1].shape
    return int(first), int(second)


def _constant_weights(t: Translation) -> bool:
    return t.is_constant(1) and (not t.has(2) or t.is_constant(2))


def _bias(t: Translation) -> Value | None:
    return t.value(2) if t.has(2) else None


def _convolution(
    t: Translation, cls: type[Any], into: int, out: int, window: Window, settings: dict[str, Any]
) -> nn.Module:
    """The module that stood there with new weights and settings, or a new one; its parameters are never initialised."""
    tensors: dict[str, torch.Tensor | None] = {"weight": t.parameter(1), "bias": t.parameter(2) if t.has(2) else None}
    new: nn.Module = cls(into, out, window.kernel, bias=t.has(2), device="meta", **settings)
    old: nn.Module | None = t.replaced(cls)
    if old is not None:
        fields = ("in_channels", "out_channels", "kernel_size", "padding_mode", *settings)
        return t.clone(old, tensors=tensors, **{name: getattr(new, name) for name in fields})
    for name, tensor in tensors.items():
        setattr(new, name, tensor)
    return new

"""Padding and cropping of any axes: F.pad and its modules, as Pad-19 and Slice-13."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_graphsurgeon as gs
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers, lowers_module
from graphmorph.torch_door.traced_numbers import plain_ints

#: torch's names of the modes, and ONNX's.
_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
_END = int(np.iinfo(np.int64).max)

_Constant = nn.ZeroPad1d | nn.ZeroPad2d | nn.ZeroPad3d | nn.ConstantPad1d | nn.ConstantPad2d | nn.ConstantPad3d
_Reflection = nn.ReflectionPad1d | nn.ReflectionPad2d | nn.ReflectionPad3d
_Replication = nn.ReplicationPad1d | nn.ReplicationPad2d | nn.ReplicationPad3d
_Circular = nn.CircularPad1d | nn.CircularPad2d | nn.CircularPad3d


@lowers(F.pad)
def padded(
    site: SiteBuilder, input: gs.Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> gs.Tensor:
    """Pad-19; negative amounts crop. torch lists (begin, end) from the last axis backwards.

    Only crops become a Slice. In constant mode ONNX's negative amounts mean the same as torch's; the other modes of
    torch reflect what was cropped away, so amounts of both signs are not lowered there.
    """
    amounts = plain_ints(site, pad, "the padding")
    site.require(len(amounts) % 2 == 0 and len(amounts) <= 2 * site.rank(input), f"the padding {amounts}")
    site.require(mode in _MODES, f"the padding mode {mode!r}")
    untouched = site.rank(input) - len(amounts) // 2
    begins = [0] * untouched + amounts[::2][::-1]
    ends = [0] * untouched + amounts[1::2][::-1]
    if not any(amounts):
        return input
    if max(amounts) <= 0:
        return _crop(site, input, begins, ends)
    site.require(mode == "constant" or min(amounts) >= 0, f"padding and cropping at once in mode {mode!r}")
    inputs = [input, site.ints([*begins, *ends])]
    if value:
        inputs.append(site.scalar(value, input))
    return site.node("Pad", inputs, {"mode": _MODES[mode]})


def _crop(site: SiteBuilder, input: gs.Tensor, begins: Sequence[int], ends: Sequence[int]) -> gs.Tensor:
    axes = [axis for axis, (begin, end) in enumerate(zip(begins, ends, strict=True)) if begin or end]
    starts = site.ints([-begins[axis] for axis in axes])
    stops = site.ints([ends[axis] or _END for axis in axes])
    return site.node("Slice", [input, starts, stops, site.ints(axes)])


@lowers(torch.constant_pad_nd)
def constant_pad_nd(site: SiteBuilder, input: gs.Tensor, pad: Sequence[int], value: float = 0) -> gs.Tensor:
    """What F.pad calls in constant mode."""
    return padded(site, input, pad, "constant", value)


@lowers_module(nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d)
def constant_pad_module(site: SiteBuilder, module: _Constant, input: gs.Tensor) -> gs.Tensor:
    """nn.ZeroPad and nn.ConstantPad."""
    return padded(site, input, module.padding, "constant", module.value)


@lowers_module(nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d)
def reflection_pad_module(site: SiteBuilder, module: _Reflection, input: gs.Tensor) -> gs.Tensor:
    """nn.ReflectionPad."""
    return padded(site, input, module.padding, "reflect")


@lowers_module(nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d)
def replication_pad_module(site: SiteBuilder, module: _Replication, input: gs.Tensor) -> gs.Tensor:
    """nn.ReplicationPad."""
    return padded(site, input, module.padding, "replicate")


@lowers_module(nn.CircularPad1d, nn.CircularPad2d, nn.CircularPad3d)
def circular_pad_module(site: SiteBuilder, module: _Circular, input: gs.Tensor) -> gs.Tensor:
    """nn.CircularPad."""
    return padded(site, input, module.padding, "circular")

"""Exchanges between channels and space, and of channels among themselves: pixel_shuffle and its kin."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers, lowers_module
from graphmorph.torch_door.traced_numbers import plain_ints, static_sizes


@lowers(F.pixel_shuffle)
def pixel_shuffle(site: SiteBuilder, input: gs.Tensor, upscale_factor: int) -> gs.Tensor:
    """DepthToSpace-13 in its CRD order, which is torch's: channel c r² + i r + j goes to (i, j) of channel c."""
    site.require(site.rank(input) == 4, f"pixel_shuffle of rank {site.rank(input)}")
    (factor,) = plain_ints(site, upscale_factor, "upscale_factor")
    return site.node("DepthToSpace", [input], {"blocksize": factor, "mode": "CRD"})


@lowers_module(nn.PixelShuffle)
def pixel_shuffle_module(site: SiteBuilder, module: nn.PixelShuffle, input: gs.Tensor) -> gs.Tensor:
    """nn.PixelShuffle."""
    return pixel_shuffle(site, input, module.upscale_factor)


@lowers(F.pixel_unshuffle)
def pixel_unshuffle(site: SiteBuilder, input: gs.Tensor, downscale_factor: int) -> gs.Tensor:
    """SpaceToDepth-13 puts (i, j) of channel c at (i r + j) C + c, torch at c r² + i r + j: a Gather reorders them."""
    site.require(site.rank(input) == 4, f"pixel_unshuffle of rank {site.rank(input)}")
    (factor,) = plain_ints(site, downscale_factor, "downscale_factor")
    (channels,) = static_sizes(site, input, 1, "the sizes behind the batch")[:1]
    out = site.node("SpaceToDepth", [input], {"blocksize": factor})
    order = np.arange(channels * factor**2).reshape(factor**2, channels).T
    return out if channels == 1 else _reordered(site, out, order)


@lowers_module(nn.PixelUnshuffle)
def pixel_unshuffle_module(site: SiteBuilder, module: nn.PixelUnshuffle, input: gs.Tensor) -> gs.Tensor:
    """nn.PixelUnshuffle."""
    return pixel_unshuffle(site, input, module.downscale_factor)


@lowers(F.channel_shuffle)
def channel_shuffle(site: SiteBuilder, input: gs.Tensor, groups: int) -> gs.Tensor:
    """Channels (g, C/g) read as (C/g, g) (Zhang et al. 2018, ShuffleNet, section 3.1), as one Gather."""
    (count,) = plain_ints(site, groups, "groups")
    (channels,) = static_sizes(site, input, 1, "the sizes behind the batch")[:1]
    return _reordered(site, input, np.arange(channels).reshape(count, -1).T)


@lowers_module(nn.ChannelShuffle)
def channel_shuffle_module(site: SiteBuilder, module: nn.ChannelShuffle, input: gs.Tensor) -> gs.Tensor:
    """nn.ChannelShuffle."""
    return channel_shuffle(site, input, module.groups)


def _reordered(site: SiteBuilder, input: gs.Tensor, order: np.ndarray) -> gs.Variable:
    return site.node("Gather", [input, site.ints([int(index) for index in order.reshape(-1)])], {"axis": 1})

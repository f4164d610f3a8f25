"""Pixel and channel shuffles: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.graphmorph.torch_door.calling import check_call, operators, refused
from tests.graphmorph.torch_door.rules.test_layer_norm import drawn


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_pixel_shuffle(factor):
    x = drawn(2, 2 * factor**2, 3, 4)
    assert operators(check_call(nn.PixelShuffle(factor), x)) == ["DepthToSpace"]
    check_call(lambda x: F.pixel_shuffle(x, factor), x)
    check_call(lambda x: torch.pixel_shuffle(input=x, upscale_factor=factor), x)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_pixel_unshuffle(channels, factor):
    x = drawn(2, channels, 6, 12)
    graph = check_call(nn.PixelUnshuffle(factor), x)
    assert operators(graph) == ["SpaceToDepth", "Gather"][: 1 if channels == 1 else 2]
    check_call(lambda x: F.pixel_unshuffle(x, factor), x)


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_channel_shuffle(groups):
    x = drawn(2, 6, 3, 4)
    assert operators(check_call(nn.ChannelShuffle(groups), x)) == ["Gather"]
    check_call(lambda x: F.channel_shuffle(x, groups), x)


def test_shuffles_without_batch_are_refused():
    assert "rank 3" in refused(nn.PixelShuffle(2), drawn(4, 3, 4))
    assert "rank 3" in refused(nn.PixelUnshuffle(2), drawn(4, 2, 4))

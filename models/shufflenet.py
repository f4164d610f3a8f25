"""ShuffleNet v2 (Ma et al., ECCV 2018, table 5), with the names of torchvision's, so that its weights load."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleave the ``groups`` groups of channels of ``x`` (batch, channels, height, width)."""
    batch, channels, height, width = x.size()
    x = x.view(batch, groups, channels // groups, height, width)
    x = torch.transpose(x, 1, 2).contiguous()
    return x.view(batch, channels, height, width)


def depthwise(channels: int, stride: int) -> list[nn.Module]:
    """Build a depthwise 3x3 convolution and its normalisation."""
    conv = nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False)
    return [conv, nn.BatchNorm2d(channels)]


def pointwise(in_channels: int, out_channels: int) -> list[nn.Module]:
    """Build a 1x1 convolution, its normalisation and a ReLU."""
    conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
    return [conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)]


class ShuffleUnit(nn.Module):
    """Convolve half of the channels, or all of them in two ways with stride 2, and shuffle (figure 3, c and d)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.split = stride == 1
        self.branch1 = nn.Sequential(
            *([] if self.split else depthwise(in_channels, stride) + pointwise(in_channels, half))
        )
        self.branch2 = nn.Sequential(
            *pointwise(half if self.split else in_channels, half), *depthwise(half, stride), *pointwise(half, half)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, out, height/stride, width/stride)."""
        if self.split:
            kept, convolved = x.chunk(2, dim=1)
            out = torch.cat((kept, self.branch2(convolved)), dim=1)
        else:
            out = torch.cat((self.branch1(x), self.branch2(x)), dim=1)
        return channel_shuffle(out, 2)


class ShuffleNetV2(nn.Module):
    """A stem of 24 filters, three stages of units, a 1x1 convolution, global pooling and a linear classifier."""

    def __init__(self, num_classes: int = 1000, *, in_channels: int = 3, width: int = 116, last: int = 1024) -> None:
        super().__init__()
        stem = nn.Conv2d(in_channels, 24, 3, 2, padding=1, bias=False)
        self.conv1 = nn.Sequential(stem, nn.BatchNorm2d(24), nn.ReLU(inplace=True))
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.stage2 = self._stage(24, width, 4)
        self.stage3 = self._stage(width, 2 * width, 8)
        self.stage4 = self._stage(2 * width, 4 * width, 4)
        self.conv5 = nn.Sequential(*pointwise(4 * width, last))
        self.fc = nn.Linear(last, num_classes)

    @staticmethod
    def _stage(in_channels: int, channels: int, count: int) -> nn.Sequential:
        rest = (ShuffleUnit(channels, channels, 1) for _ in range(count - 1))
        return nn.Sequential(ShuffleUnit(in_channels, channels, 2), *rest)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_channels, height, width) to logits (batch, num_classes)."""
        x = self.maxpool(self.conv1(x))
        x = self.stage4(self.stage3(self.stage2(x)))
        logits: Tensor = self.fc(self.conv5(x).mean([2, 3]))
        return logits


def shufflenet_v2(num_classes: int = 1000, *, in_channels: int = 3, width: int = 116, last: int = 1024) -> ShuffleNetV2:
    """Build ShuffleNet v2 x1.0; ``width`` is 48, 116, 176 or 244 in the paper, ``last`` 1024 or (for 244) 2048."""
    return ShuffleNetV2(num_classes, in_channels=in_channels, width=width, last=last)

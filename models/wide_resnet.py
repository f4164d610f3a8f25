"""Wide residual networks (Zagoruyko and Komodakis, BMVC 2016, table 1): wide blocks, normalised before they convolve.

A shortcut that changes the shape is a 1x1 convolution of the block's normalised and rectified input, as in the
authors' code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class WideBlock(nn.Module):
    """Twice normalisation, ReLU and a 3x3 convolution, and a shortcut; dropout between them where asked for."""

    def __init__(self, in_channels: int, channels: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        same = stride == 1 and in_channels == channels
        self.shortcut = None if same else nn.Conv2d(in_channels, channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, channels, height/stride, width/stride)."""
        first = functional.relu(self.bn1(x), inplace=True)
        out = functional.relu(self.bn2(self.conv1(first)), inplace=True)
        if self.dropout is not None:
            out = self.dropout(out)
        identity = x if self.shortcut is None else self.shortcut(first)
        return torch.add(self.conv2(out), identity)


class WideResNet(nn.Module):
    """A 3x3 stem of 16 filters and three stages of (depth - 4) / 6 blocks, ``widening`` times as wide as ResNet's."""

    def __init__(
        self,
        depth: int,
        widening: int,
        num_classes: int = 10,
        *,
        in_channels: int = 3,
        width: int = 16,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        blocks: list[nn.Module] = []
        channels = width
        for stage in range(3):
            wide = (width << stage) * widening
            for index in range((depth - 4) // 6):
                blocks.append(WideBlock(channels, wide, 2 if stage and not index else 1, dropout))
                channels = wide
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_channels, 32, 32) to logits (batch, num_classes)."""
        x = self.bn(self.blocks(self.conv1(x))).relu_()
        x = functional.avg_pool2d(x, 8)
        logits: Tensor = self.fc(x.squeeze(-1).squeeze(-1))
        return logits


def wrn_16_8(
    num_classes: int = 10, *, in_channels: int = 3, width: int = 16, widening: int = 8, dropout: float = 0.0
) -> WideResNet:
    """Build WRN-16-8."""
    return WideResNet(16, widening, num_classes, in_channels=in_channels, width=width, dropout=dropout)

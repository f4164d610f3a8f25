"""MobileNet v1 (Howard et al., 2017, table 1) and v2 (Sandler et al., CVPR 2018, table 2).

Version 2 has the names of torchvision's, so that its weights load.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from graphmorph.models.layers import ConvNorm

#: filters (for a stem of 32) and stride of each depthwise separable layer of version 1
SEPARABLE = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)
#: expansion, filters (for a stem of 32), number and first stride of the bottlenecks of version 2
BOTTLENECKS = (
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)


class MobileNetV1(nn.Module):
    """A stem and thirteen depthwise separable layers, global pooling and a linear classifier."""

    def __init__(self, num_classes: int = 1000, *, in_channels: int = 3, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvNorm(in_channels, width, 3, stride=2, padding=1, relu=True)]
        channels = width
        for filters, stride in SEPARABLE:
            out_channels = filters * width // 32
            layers += [
                ConvNorm(channels, channels, 3, stride=stride, padding=1, groups=channels, relu=True),
                ConvNorm(channels, out_channels, 1, relu=True),
            ]
            channels = out_channels
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_channels, height, width) to logits (batch, num_classes)."""
        logits: Tensor = self.classifier(self.layers(x).mean([2, 3]))
        return logits


def conv_norm_relu6(in_channels: int, out_channels: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Build a padded convolution, its normalisation and a ReLU that saturates at six."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """1x1 expansion (unless it is 1), depthwise 3x3, linear 1x1, and a shortcut where the shape stays (figure 4)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = in_channels * expansion
        layers = [conv_norm_relu6(in_channels, inner, 1)] if expansion > 1 else []
        self.conv = nn.Sequential(
            *layers,
            conv_norm_relu6(inner, inner, 3, stride, inner),
            nn.Conv2d(inner, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, out, height/stride, width/stride)."""
        y: Tensor = x + self.conv(x) if self.residual else self.conv(x)
        return y


class MobileNetV2(nn.Module):
    """A stem, seventeen inverted residuals, a 1x1 convolution, global pooling, dropout and a linear classifier."""

    def __init__(self, num_classes: int = 1000, *, in_channels: int = 3, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_norm_relu6(in_channels, width, 3, 2)]
        channels = width
        for expansion, filters, count, first_stride in BOTTLENECKS:
            out_channels = filters * width // 32
            for index in range(count):
                layers.append(InvertedResidual(channels, out_channels, 1 if index else first_stride, expansion))
                channels = out_channels
        layers.append(conv_norm_relu6(channels, 40 * width, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(40 * width, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_channels, height, width) to logits (batch, num_classes)."""
        x = functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        logits: Tensor = self.classifier(torch.flatten(x, 1))
        return logits


def mobilenet_v1(num_classes: int = 1000, *, in_channels: int = 3, width: int = 32) -> MobileNetV1:
    """Build MobileNet v1; ``width`` (a multiple of 2) is 32 times the paper's width multiplier."""
    return MobileNetV1(num_classes, in_channels=in_channels, width=width)


def mobilenet_v2(num_classes: int = 1000, *, in_channels: int = 3, width: int = 32) -> MobileNetV2:
    """Build MobileNet v2; ``width`` (a multiple of 4) scales all channels and is 32 in the paper."""
    return MobileNetV2(num_classes, in_channels=in_channels, width=width)

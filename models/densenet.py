"""DenseNet (Huang et al., CVPR 2017): each layer reads all earlier ones of its block.

DenseNet-121 (table 1, bottlenecks and transitions that halve the channels) has the names of torchvision's, so that
its weights load. DenseNet-40 (section 4.2, growth rate 12) is for images of 32 pixels and has neither.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class BottleneckLayer(nn.Module):
    """Normalisation, ReLU, 1x1 convolution to four times the growth rate; then the same with 3x3 (DenseNet-B)."""

    def __init__(self, in_channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(in_channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, growth, height, width)."""
        inner = self.conv1(self.relu1(self.norm1(x)))
        y: Tensor = self.conv2(self.relu2(self.norm2(inner)))
        return y


class PlainLayer(nn.Module):
    """Normalisation, ReLU and a 3x3 convolution."""

    def __init__(self, in_channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, growth, height, width)."""
        y: Tensor = self.conv1(functional.relu(self.norm1(x)))
        return y


class DenseBlock(nn.ModuleDict):
    """Layers that each read the concatenation of the block's input and of all earlier layers."""

    def __init__(
        self, layer: type[BottleneckLayer] | type[PlainLayer], count: int, in_channels: int, growth: int
    ) -> None:
        super().__init__()
        for index in range(count):
            self[f"denselayer{index + 1}"] = layer(in_channels + index * growth, growth)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, in + count * growth, height, width)."""
        features = [x]
        for layer in self.values():
            features.append(layer(torch.cat(features, 1)))
        return torch.cat(features, 1)


class Transition(nn.Sequential):
    """Normalisation, ReLU, 1x1 convolution and 2x2 average pooling between blocks."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.add_module("norm", nn.BatchNorm2d(in_channels))
        self.add_module("relu", nn.ReLU(inplace=True))
        self.add_module("conv", nn.Conv2d(in_channels, out_channels, 1, bias=False))
        self.add_module("pool", nn.AvgPool2d(2, 2))


class DenseNet(nn.Module):
    """A stem, dense blocks with transitions between them, normalisation, global pooling and a linear classifier.

    ``stem`` maps images to ``channels`` channels; ``compression`` divides the channels at each transition.
    """

    def __init__(
        self,
        stem: dict[str, nn.Module],
        channels: int,
        layer: type[BottleneckLayer] | type[PlainLayer],
        counts: tuple[int, ...],
        num_classes: int,
        *,
        growth: int,
        compression: int,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential()
        for name, module in stem.items():
            self.features.add_module(name, module)
        for number, count in enumerate(counts, 1):
            self.features.add_module(f"denseblock{number}", DenseBlock(layer, count, channels, growth))
            channels += count * growth
            if number < len(counts):
                self.features.add_module(f"transition{number}", Transition(channels, channels // compression))
                channels //= compression
        self.features.add_module(f"norm{len(counts) + 1}", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_channels, height, width) to logits (batch, num_classes)."""
        features = functional.relu(self.features(x), inplace=True)
        pooled = torch.flatten(functional.adaptive_avg_pool2d(features, (1, 1)), 1)
        logits: Tensor = self.classifier(pooled)
        return logits


def densenet121(num_classes: int = 1000, *, in_channels: int = 3, growth: int = 32) -> DenseNet:
    """Build DenseNet-121 (DenseNet-BC, compression 0.5)."""
    stem: dict[str, nn.Module] = {
        "conv0": nn.Conv2d(in_channels, 2 * growth, 7, 2, padding=3, bias=False),
        "norm0": nn.BatchNorm2d(2 * growth),
        "relu0": nn.ReLU(inplace=True),
        "pool0": nn.MaxPool2d(3, 2, 1),
    }
    return DenseNet(stem, 2 * growth, BottleneckLayer, (6, 12, 24, 16), num_classes, growth=growth, compression=2)


def densenet40(num_classes: int = 10, *, in_channels: int = 3, growth: int = 12, width: int = 16) -> DenseNet:
    """Build DenseNet-40: a stem of ``width`` filters and three blocks of twelve layers."""
    stem: dict[str, nn.Module] = {"conv0": nn.Conv2d(in_channels, width, 3, padding=1, bias=False)}
    return DenseNet(stem, width, PlainLayer, (12, 12, 12), num_classes, growth=growth, compression=1)

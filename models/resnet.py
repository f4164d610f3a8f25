"""ResNet for ImageNet (He et al., CVPR 2016, table 1), with the names of torchvision's, so that its weights load.

As in torchvision, the stride of a bottleneck is that of its 3x3 convolution, and shortcuts that change the shape
are 1x1 convolutions (option B).
"""

from __future__ import annotations

from torch import Tensor, nn


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """Build the shortcut of option B, or return None where the identity has the right shape."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (figure 5, left)."""

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = projection(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, channels, height/stride, width/stride)."""
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        y: Tensor = self.relu(out)
        return y


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut (figure 5, right)."""

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = projection(in_channels, 4 * channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, 4 channels, height/stride, width/stride)."""
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += identity
        y: Tensor = self.relu(out)
        return y


class ResNet(nn.Module):
    """A 7x7 stem, four stages of blocks, global pooling and a linear classifier."""

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        counts: tuple[int, int, int, int],
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        width: int = 64,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._stage(block, width, width, counts[0], 1)
        self.layer2 = self._stage(block, width * block.expansion, 2 * width, counts[1], 2)
        self.layer3 = self._stage(block, 2 * width * block.expansion, 4 * width, counts[2], 2)
        self.layer4 = self._stage(block, 4 * width * block.expansion, 8 * width, counts[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8 * width * block.expansion, num_classes)

    @staticmethod
    def _stage(
        block: type[BasicBlock] | type[Bottleneck], in_channels: int, channels: int, count: int, stride: int
    ) -> nn.Sequential:
        rest = (block(channels * block.expansion, channels, 1) for _ in range(count - 1))
        return nn.Sequential(block(in_channels, channels, stride), *rest)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_channels, height, width) to logits (batch, num_classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


def resnet18(num_classes: int = 1000, *, in_channels: int = 3, width: int = 64) -> ResNet:
    """Build ResNet-18 (20 convolutions, 3 of them shortcuts)."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, in_channels=in_channels, width=width)


def resnet50(num_classes: int = 1000, *, in_channels: int = 3, width: int = 64) -> ResNet:
    """Build ResNet-50 (53 convolutions, 4 of them shortcuts)."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, in_channels=in_channels, width=width)

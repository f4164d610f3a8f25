"""ResNet for CIFAR (He et al., CVPR 2016, section 4.2): 6n + 2 layers, and shortcuts without parameters (option A)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class SubsampledIdentity(nn.Module):
    """Every other pixel of the input, between channels of zeros."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.zeros = (out_channels - in_channels) // 2

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, out, height/2, width/2)."""
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.zeros, self.zeros))


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        grows = channels > in_channels
        self.conv1 = nn.Conv2d(in_channels, channels, 3, 2 if grows else 1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = SubsampledIdentity(in_channels, channels) if grows else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, channels, ...), half as large where channels grow."""
        out: Tensor = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return functional.relu(out)


class ResNetCifar(nn.Module):
    """A 3x3 stem, three stages of ``blocks`` blocks, global pooling and a linear classifier."""

    def __init__(self, blocks: int, num_classes: int = 10, *, in_channels: int = 3, width: int = 16) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        stages: list[nn.Module] = []
        channels = width
        for stage in range(3):
            layers: list[nn.Module] = []
            for _ in range(blocks):
                layers.append(Block(channels, width << stage))
                channels = width << stage
            stages.append(nn.Sequential(*layers))
        self.layer1, self.layer2, self.layer3 = stages
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_channels, height, width) to logits (batch, num_classes)."""
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        logits: Tensor = self.linear(out.mean((2, 3)))
        return logits


def resnet56(num_classes: int = 10, *, in_channels: int = 3, width: int = 16) -> ResNetCifar:
    """Build ResNet-56 (n = 9, 55 convolutions)."""
    return ResNetCifar(9, num_classes, in_channels=in_channels, width=width)

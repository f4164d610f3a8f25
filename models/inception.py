"""GoogLeNet (Szegedy et al., CVPR 2015, table 1): modules that concatenate four branches.

Each convolution is followed by batch normalisation (Ioffe and Szegedy, ICML 2015), which takes the place of the
bias and of local response normalisation; the auxiliary classifiers, used in training only, are left out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

#: filters of 1x1; 3x3 reduce, 3x3; 5x5 reduce, 5x5; pool projection
Filters = tuple[int, int, int, int, int, int]
MODULES: dict[str, Filters] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class Convolution(nn.Module):
    """Convolution without bias, padded to keep the size, normalisation and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, size, stride, size // 2, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, out, height/stride, width/stride)."""
        return functional.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """1x1; 1x1 and 3x3; 1x1 and 5x5; pooling and 1x1: side by side in the channels (figure 2b)."""

    def __init__(self, in_channels: int, filters: Filters, large_kernel: int) -> None:
        super().__init__()
        one, reduce_three, three, reduce_five, five, pool = filters
        self.branch1 = Convolution(in_channels, one, 1)
        self.branch2 = nn.Sequential(Convolution(in_channels, reduce_three, 1), Convolution(reduce_three, three, 3))
        self.branch3 = nn.Sequential(
            Convolution(in_channels, reduce_five, 1), Convolution(reduce_five, five, large_kernel)
        )
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), Convolution(in_channels, pool, 1))
        self.out_channels = one + three + five + pool

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, out_channels, height, width)."""
        branches = [self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)]
        return torch.cat(branches, dim=1)


class GoogLeNet(nn.Module):
    """A stem of three convolutions, nine modules, global pooling, dropout and a linear classifier."""

    def __init__(
        self, num_classes: int = 1000, *, in_channels: int = 3, width: int = 64, large_kernel: int = 5
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            Convolution(in_channels, width, 7, 2),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            Convolution(width, width, 1),
            Convolution(width, 3 * width, 3),
        )
        self.inceptions = nn.ModuleDict()
        channels = 3 * width
        for name, filters in MODULES.items():
            one, reduce_three, three, reduce_five, five, pool = (count * width // 64 for count in filters)
            module = Inception(channels, (one, reduce_three, three, reduce_five, five, pool), large_kernel)
            self.inceptions[name] = module
            channels = module.out_channels
        self.dropout = nn.Dropout(0.4)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_channels, height, width) to logits (batch, num_classes)."""
        x = self.stem(x)
        for name, module in self.inceptions.items():
            if name.endswith("a"):  # pooling before each stage, 2x2 before the last as in torchvision
                x = functional.max_pool2d(x, 2 if name == "5a" else 3, 2, ceil_mode=True)
            x = module(x)
        x = self.dropout(functional.adaptive_avg_pool2d(x, 1).flatten(1))
        logits: Tensor = self.fc(x)
        return logits


def googlenet(num_classes: int = 1000, *, in_channels: int = 3, width: int = 64, large_kernel: int = 5) -> GoogLeNet:
    """Build GoogLeNet; ``width`` is a multiple of 8. torchvision's has ``large_kernel=3`` where the paper has 5x5."""
    return GoogLeNet(num_classes, in_channels=in_channels, width=width, large_kernel=large_kernel)

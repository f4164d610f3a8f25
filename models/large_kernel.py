"""Large kernels: RepLKNet (large plus small) and UniRepLKNet (large plus dilated), depthwise."""

from __future__ import annotations

from torch import Tensor, nn

from graphmorph.models.layers import ConvNorm
from graphmorph.models.reparameterise import (
    KernelAndBias,
    add,
    conv2d,
    dilate,
    place,
    scale_and_shift,
)

#: UniRepLKNet, table 1: kernel sizes and dilations of the parallel branches for each large kernel
DILATED_BRANCHES: dict[int, tuple[tuple[int, int], ...]] = {
    13: ((5, 1), (7, 2), (3, 3), (3, 4), (3, 5)),
    9: ((5, 1), (5, 2), (3, 3), (3, 4)),
    7: ((5, 1), (3, 2), (3, 3)),
    5: ((3, 1), (3, 2)),
}


class LargeKernelBlock(nn.Module):
    """Depthwise k x k convolution plus smaller ones (size, dilation), each normalised.

    Every branch is centred in the large window: size and dilation satisfy dilation (size - 1) < kernel_size.
    """

    def __init__(self, channels: int, kernel_size: int, branches: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.large = ConvNorm(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels)
        self.small = nn.ModuleList(
            ConvNorm(channels, channels, size, padding=dilation * (size // 2), dilation=dilation, groups=channels)
            for size, dilation in branches
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, channels, height, width) to the same shape."""
        total: Tensor = self.large(x)
        for branch in self.small:
            total = total + branch(x)
        return total

    def kernel_and_bias(self) -> KernelAndBias:
        """Return the kernel (channels, 1, k, k) and bias (channels,) of all branches, in float64."""
        parts = [self.large.kernel_and_bias()]
        for branch in self.small:
            if isinstance(branch, ConvNorm):
                kernel, bias = branch.kernel_and_bias()
                dense = dilate(kernel, int(branch.conv.dilation[0]))
                parts.append((place(dense, (self.kernel_size, self.kernel_size)), bias))
        return add(*parts)

    def deploy(self) -> nn.Module:
        """Return the one depthwise ``Conv2d``."""
        channels = self.large.conv.out_channels
        dtype = self.large.conv.weight.dtype
        return conv2d(self.kernel_and_bias(), padding=self.kernel_size // 2, groups=channels, dtype=dtype)


class RepLKBlock(nn.Module):
    """RepLKNet's block: norm, 1x1, large depthwise, 1x1, residual; then norm, 1x1, GELU, 1x1, residual."""

    def __init__(self, channels: int, large: LargeKernelBlock) -> None:
        super().__init__()
        self.before = nn.BatchNorm2d(channels)
        self.enter = ConvNorm(channels, channels, 1, relu=True)
        self.large = large
        self.leave = ConvNorm(channels, channels, 1)
        self.feed_forward_norm = nn.BatchNorm2d(channels)
        self.widen = ConvNorm(channels, 4 * channels, 1)
        self.narrow = ConvNorm(4 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, channels, height, width) to the same shape."""
        x = x + self.leave(self.large(self.enter(self.before(x))).relu())
        y: Tensor = x + self.narrow(nn.functional.gelu(self.widen(self.feed_forward_norm(x))))
        return y

    def deploy(self) -> nn.Module:
        """Return the block with each leading normalisation folded into the 1x1 layer after it."""
        return _DeployedRepLKBlock(self)


class _DeployedRepLKBlock(nn.Module):
    def __init__(self, block: RepLKBlock) -> None:
        super().__init__()
        self.enter = _with_norm_before(block.before, block.enter)
        self.large = block.large.deploy()
        self.leave = block.leave.deploy()
        self.widen = _with_norm_before(block.feed_forward_norm, block.widen)
        self.narrow = block.narrow.deploy()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.leave(self.large(self.enter(x).relu()).relu())
        y: Tensor = x + self.narrow(nn.functional.gelu(self.widen(x)))
        return y


def _with_norm_before(norm: nn.BatchNorm2d, layer: ConvNorm) -> nn.Conv2d:
    """Fold a normalisation into the 1x1 layer that reads it: exact, as that layer has no padding."""
    scale, shift = scale_and_shift(norm)
    kernel, bias = layer.kernel_and_bias()
    folded = kernel * scale.reshape(1, -1, 1, 1), bias + kernel.flatten(1) @ shift
    return conv2d(folded, dtype=layer.conv.weight.dtype)


def replknet_small(channels: int = 16, kernel_size: int = 13, classes: int = 10) -> nn.Sequential:
    """Build a small RepLKNet, kernels ``kernel_size`` and 5: 14 convolutions in training, 12 in deploy."""
    large = (LargeKernelBlock(channels, kernel_size, ((5, 1),)) for _ in range(2))
    return _network(channels, classes, list(large))


def unireplknet_small(channels: int = 16, kernel_size: int = 9, classes: int = 10) -> nn.Sequential:
    """Build a small UniRepLKNet with dilated branches: 20 convolutions in training, 12 in deploy."""
    large = (LargeKernelBlock(channels, kernel_size, DILATED_BRANCHES[kernel_size]) for _ in range(2))
    return _network(channels, classes, list(large))


def _network(channels: int, classes: int, large: list[LargeKernelBlock]) -> nn.Sequential:
    return nn.Sequential(
        ConvNorm(3, channels, 3, stride=2, padding=1, relu=True),
        ConvNorm(channels, channels, 3, stride=2, padding=1, relu=True),
        *[RepLKBlock(channels, block) for block in large],
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, classes),
    )

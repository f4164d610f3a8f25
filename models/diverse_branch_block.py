"""Diverse Branch Block (Ding et al., CVPR 2021): k x k, 1x1, 1x1 - k x k and average-pooling branches.

Where a 1x1 layer with normalisation precedes a padded layer, the padding carries the value that the
normalisation gives to a zero (``PaddedNorm``): only then the serial layers equal one. Exported, this is Pad
and writes into the border.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from graphmorph.models.layers import ConvNorm
from graphmorph.models.reparameterise import (
    KernelAndBias,
    add,
    average_kernel,
    compose_pointwise,
    conv2d,
    conv_parameters,
    fold_norm,
    place,
)


class PaddedNorm(nn.BatchNorm2d):
    """Batch normalisation, then a border of ``pixels`` filled with what it makes of zero."""

    def __init__(self, channels: int, pixels: int) -> None:
        super().__init__(channels)
        self.pixels = pixels

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, channels, h, w) to (batch, channels, h + 2 pixels, w + 2 pixels)."""
        y = super().forward(x)
        if not self.pixels or self.running_mean is None or self.running_var is None:
            return y
        at_zero = self.bias.detach() - self.running_mean * self.weight.detach() / torch.sqrt(
            self.running_var + self.eps
        )
        y = functional.pad(y, [self.pixels] * 4)
        border = at_zero.view(1, -1, 1, 1)
        y[:, :, : self.pixels, :] = border
        y[:, :, -self.pixels :, :] = border
        y[:, :, :, : self.pixels] = border
        y[:, :, :, -self.pixels :] = border
        return y


class PointwiseThenConv(nn.Module):
    """1x1 convolution, padded normalisation, k x k convolution, normalisation.

    With as many inner channels as inputs the 1x1 kernel is stored as its difference from the identity.
    """

    def __init__(
        self,
        in_channels: int,
        inner: int,
        out_channels: int,
        size: int,
        *,
        stride: int,
        padding: int,
        groups: int,
    ) -> None:
        super().__init__()
        self.groups = groups
        self.pointwise = nn.Conv2d(in_channels, inner, 1, groups=groups, bias=False)
        self.border = PaddedNorm(inner, padding)
        self.conv = nn.Conv2d(inner, out_channels, size, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        identity = torch.zeros_like(self.pointwise.weight)
        if inner == in_channels:
            rows = torch.arange(inner)
            identity[rows, rows % (in_channels // groups)] = 1.0
        self.register_buffer("identity", identity)

    def pointwise_kernel(self) -> Tensor:
        """Return the 1x1 kernel (inner, in/groups, 1, 1)."""
        return self.pointwise.weight + self.get_buffer("identity")

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, out, height', width')."""
        inner = functional.conv2d(x, self.pointwise_kernel(), groups=self.groups)
        y: Tensor = self.norm(self.conv(self.border(inner)))
        return y

    def kernel_and_bias(self) -> KernelAndBias:
        """Return the single kernel (out, in/groups, k, k) and bias (out,), in float64."""
        kernel = self.pointwise.weight.detach().double() + self.get_buffer("identity").double()
        first = fold_norm((kernel, kernel.new_zeros(kernel.shape[0])), self.border)
        return compose_pointwise(first, fold_norm(conv_parameters(self.conv), self.norm), self.groups)


class AverageBranch(nn.Module):
    """1x1 convolution and padded normalisation (unless depthwise), average pooling, normalisation."""

    def __init__(
        self, in_channels: int, out_channels: int, size: int, *, stride: int, padding: int, groups: int
    ) -> None:
        super().__init__()
        self.groups, self.size = groups, size
        mixing = groups < out_channels
        self.conv = nn.Conv2d(in_channels, out_channels, 1, groups=groups, bias=False) if mixing else None
        self.border = PaddedNorm(out_channels, padding) if mixing else None
        self.pool = nn.AvgPool2d(size, stride, 0 if mixing else padding)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, out, height', width')."""
        if self.conv is not None and self.border is not None:
            x = self.border(self.conv(x))
        y: Tensor = self.norm(self.pool(x))
        return y

    def kernel_and_bias(self) -> KernelAndBias:
        """Return the kernel (out, in/groups, k, k) and bias (out,) that equal the branch, in float64."""
        channels = self.norm.num_features
        depthwise = self.conv is None
        kernel = average_kernel(channels, channels if depthwise else self.groups, (self.size, self.size))
        pooling = fold_norm((kernel, kernel.new_zeros(channels)), self.norm)
        if self.conv is None:
            return pooling
        return compose_pointwise(fold_norm(conv_parameters(self.conv), self.border), pooling, self.groups)


class DiverseBranchBlock(nn.Module):
    """The sum of all branches, then ReLU when ``relu``; depthwise blocks have no 1x1 branch.

    Raises ValueError unless ``padding`` is ``kernel_size // 2``: the 1x1 branch reads the input unpadded.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        relu: bool = False,
        inner: int | None = None,
    ) -> None:
        super().__init__()
        if padding != kernel_size // 2:
            raise ValueError(f"padding {padding} of a {kernel_size}x{kernel_size} block must be {kernel_size // 2}")
        self.kernel_size, self.stride, self.padding, self.groups = kernel_size, stride, padding, groups
        mixing = groups < out_channels
        width = inner or (in_channels if mixing else 2 * in_channels)
        self.origin = ConvNorm(in_channels, out_channels, kernel_size, stride=stride, padding=padding, groups=groups)
        self.average = AverageBranch(
            in_channels, out_channels, kernel_size, stride=stride, padding=padding, groups=groups
        )
        self.pointwise = ConvNorm(in_channels, out_channels, 1, stride=stride, groups=groups) if mixing else None
        self.serial = PointwiseThenConv(
            in_channels, width, out_channels, kernel_size, stride=stride, padding=padding, groups=groups
        )
        self.activation: nn.Module = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, out, height', width')."""
        total = self.origin(x)
        if self.pointwise is not None:
            total = total + self.pointwise(x)
        total = total + self.average(x)
        total = total + self.serial(x)
        y: Tensor = self.activation(total)
        return y

    def kernel_and_bias(self) -> KernelAndBias:
        """Return the kernel (out, in/groups, k, k) and bias (out,) that equal all branches, in float64."""
        branches = [
            self.origin.kernel_and_bias(),
            self.average.kernel_and_bias(),
            self.serial.kernel_and_bias(),
        ]
        if self.pointwise is not None:
            kernel, bias = self.pointwise.kernel_and_bias()
            branches.append((place(kernel, (self.kernel_size, self.kernel_size)), bias))
        return add(*branches)

    def deploy(self) -> nn.Module:
        """Return one convolution, and the ReLU if there is one."""
        conv = conv2d(
            self.kernel_and_bias(),
            stride=self.stride,
            padding=self.padding,
            groups=self.groups,
            dtype=self.origin.conv.weight.dtype,
        )
        return conv if isinstance(self.activation, nn.Identity) else nn.Sequential(conv, nn.ReLU())


class ResidualBlock(nn.Module):
    """ResNet's basic block on diverse branch blocks."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first = DiverseBranchBlock(in_channels, channels, 3, stride=stride, padding=1, relu=True)
        self.second = DiverseBranchBlock(channels, channels, 3, padding=1)
        same = stride == 1 and in_channels == channels
        self.shortcut: nn.Module = nn.Identity() if same else ConvNorm(in_channels, channels, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, channels, height/stride, width/stride)."""
        y: Tensor = self.second(self.first(x)) + self.shortcut(x)
        return y.relu()


class Classifier(nn.Module):
    """A trunk of layers, then global pooling and a linear classifier."""

    def __init__(self, layers: list[nn.Module], channels: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, 3, height, width) to logits (batch, classes)."""
        logits: Tensor = self.classifier(self.pool(self.layers(x)).flatten(1))
        return logits


def resnet18(classes: int = 1000, width: int = 64) -> Classifier:
    """Build the Diverse Branch Block ResNet-18: 84 convolutions in training form, 20 in deploy form."""
    layers: list[nn.Module] = [
        ConvNorm(3, width, 7, stride=2, padding=3, relu=True),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = width
    for stage in range(4):
        for index in range(2):
            layers.append(ResidualBlock(channels, width << stage, 2 if stage and not index else 1))
            channels = width << stage
    return Classifier(layers, channels, classes)


def mobilenet(classes: int = 1000, width: int = 32) -> Classifier:
    """Build the Diverse Branch Block MobileNet v1: 57 convolutions in training form, 27 in deploy form."""
    layers: list[nn.Module] = [DiverseBranchBlock(3, width, 3, stride=2, padding=1, relu=True)]
    channels = width
    plan = [(2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), *[(16, 1)] * 5, (32, 2), (32, 1)]
    for multiple, stride in plan:
        out_channels = multiple * width
        layers += [
            DiverseBranchBlock(channels, channels, 3, stride=stride, padding=1, groups=channels, relu=True),
            ConvNorm(channels, out_channels, 1, relu=True),
        ]
        channels = out_channels
    return Classifier(layers, channels, classes)

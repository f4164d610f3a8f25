"""ACNet (Ding et al., ICCV 2019): asymmetric convolution blocks.

A block sums a square convolution and a horizontal (1 x a) and a vertical (a x 1) one that slide over the same
windows (section 3.3). Each branch is placed inside the square kernel by its margins, the number of rows and
columns between it and the square's sides. A branch whose margin exceeds the padding reads a cropped input; a
negative crop is padding. In the shifted block of section 4.4 the asymmetric kernels lie on the bottom row and
the right column of the square.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from graphmorph.models.layers import ConvNorm
from graphmorph.models.reparameterise import (
    KernelAndBias,
    add,
    conv2d,
    conv_parameters,
    fold_norm,
    place,
)

Normalisation = Literal["branch", "sum", "none"]


class PlacedConv(nn.Module):
    """One branch: a kernel of ``sizes`` whose first tap is tap ``begin`` of a square kernel."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        sizes: tuple[int, int],
        *,
        square: int,
        begin: tuple[int, int],
        stride: int,
        padding: int,
        dilation: int,
        groups: int,
        bias: bool,
        norm: bool,
    ) -> None:
        super().__init__()
        self.square, self.begin = square, begin
        before = [padding - dilation * first for first in begin]
        after = [padding - dilation * (square - size - first) for size, first in zip(sizes, begin, strict=True)]
        symmetric = before == after
        own = (max(before[0], 0), max(before[1], 0)) if symmetric else (0, 0)
        #: zeros that the convolution's own symmetric padding cannot give: left, right, top, bottom
        self.zeros = (0, 0, 0, 0) if symmetric else tuple(max(n, 0) for n in (before[1], after[1], before[0], after[0]))
        self.crops = tuple((max(-n, 0), max(-m, 0)) for n, m in zip(before, after, strict=True))
        self.conv = nn.Conv2d(in_channels, out_channels, sizes, stride, own, dilation, groups, bias=bias)
        self.norm = nn.BatchNorm2d(out_channels) if norm else None

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, out, height', width')."""
        (top, bottom), (left, right) = self.crops
        if top or bottom:
            x = x[:, :, top : -bottom or None]
        if left or right:
            x = x[:, :, :, left : -right or None]
        if any(self.zeros):
            x = functional.pad(x, self.zeros)
        y: Tensor = self.conv(x)
        if self.norm is not None:
            y = self.norm(y)
        return y

    def kernel_and_bias(self) -> KernelAndBias:
        """Return kernel (out, in/groups, square, square) and bias (out,) in float64."""
        kernel, bias = fold_norm(conv_parameters(self.conv), self.norm)
        return place(kernel, (self.square, self.square), self.begin), bias


class AsymmetricConvolutionBlock(nn.Module):
    """The sum of a square, a 1 x a and an a x 1 convolution over the same windows.

    ``normalise`` puts a batch normalisation into each branch (the paper), after the sum (its ablation) or
    nowhere. ``asymmetric_size`` is a (``kernel_size`` when not given); ``kernel_size`` and a are odd.
    ``padding`` may be any size from 0 on: where it is below the margin of a branch, the branch reads a
    cropped input. Raises ValueError for an even kernel or an asymmetric one longer than the square.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        normalise: Normalisation = "branch",
        horizontal: bool = True,
        vertical: bool = True,
        asymmetric_size: int | None = None,
        shifted: bool = False,
    ) -> None:
        super().__init__()
        size = kernel_size if asymmetric_size is None else asymmetric_size
        if kernel_size % 2 == 0 or size % 2 == 0 or size > kernel_size:
            raise ValueError(f"kernel sizes {kernel_size} and {size} must be odd, the second not the larger")
        margin = (kernel_size - size) // 2
        line = kernel_size - 1 if shifted else kernel_size // 2
        placements = [((kernel_size, kernel_size), (0, 0))]
        if horizontal:
            placements.append(((1, size), (line, margin)))
        if vertical:
            placements.append(((size, 1), (margin, line)))
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.branches = nn.ModuleList(
            PlacedConv(
                in_channels,
                out_channels,
                sizes,
                square=kernel_size,
                begin=begin,
                stride=stride,
                padding=padding,
                dilation=dilation,
                groups=groups,
                bias=bias,
                norm=normalise == "branch",
            )
            for sizes, begin in placements
        )
        self.norm = nn.BatchNorm2d(out_channels) if normalise == "sum" else None

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, out, height', width')."""
        total: Tensor = self.branches[0](x)
        for branch in list(self.branches)[1:]:
            total = total + branch(x)
        if self.norm is not None:
            total = self.norm(total)
        return total

    def kernel_and_bias(self) -> KernelAndBias:
        """Return the fused kernel and bias of equations 6 and 7, in float64."""
        branches = [branch.kernel_and_bias() for branch in self.branches if isinstance(branch, PlacedConv)]
        return fold_norm(add(*branches), self.norm)

    def deploy(self) -> nn.Module:
        """Return the one ``Conv2d`` that equals the block."""
        parameter = next(self.parameters())
        return conv2d(
            self.kernel_and_bias(),
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            dtype=parameter.dtype,
        )


class ResidualBlock(nn.Module):
    """ResNet's basic block on asymmetric convolution blocks."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first = AsymmetricConvolutionBlock(in_channels, channels, 3, stride=stride, padding=1)
        self.second = AsymmetricConvolutionBlock(channels, channels, 3, padding=1)
        same = stride == 1 and in_channels == channels
        self.shortcut: nn.Module = nn.Identity() if same else ConvNorm(in_channels, channels, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, channels, height/stride, width/stride)."""
        y: Tensor = self.second(self.first(x).relu()) + self.shortcut(x)
        return y.relu()


class ACNetResNet18(nn.Module):
    """ResNet-18 whose 7x7 stem (or 3x3 small-image stem) and 3x3 layers are asymmetric convolution blocks.

    54 convolutions in training form, 20 in deploy form.
    """

    def __init__(self, classes: int = 1000, *, small_stem: bool = False, width: int = 64) -> None:
        super().__init__()
        if small_stem:
            stem: list[nn.Module] = [AsymmetricConvolutionBlock(3, width, 3, padding=1), nn.ReLU()]
        else:
            block = AsymmetricConvolutionBlock(3, width, 7, stride=2, padding=3)
            stem = [block, nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        self.stem = nn.Sequential(*stem)
        blocks: list[nn.Module] = []
        channels = width
        for stage in range(4):
            for index in range(2):
                stride = 2 if stage and not index else 1
                blocks.append(ResidualBlock(channels, width << stage, stride))
                channels = width << stage
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, 3, height, width) to logits (batch, classes)."""
        logits: Tensor = self.classifier(self.pool(self.blocks(self.stem(x))).flatten(1))
        return logits


def resnet18(classes: int = 1000) -> ACNetResNet18:
    """Build the ImageNet ACNet ResNet-18 in training form."""
    return ACNetResNet18(classes)


def resnet18_small(classes: int = 10, width: int = 64) -> ACNetResNet18:
    """Build the small-image ACNet ResNet-18 (3x3 stem, no pooling after it) in training form."""
    return ACNetResNet18(classes, small_stem=True, width=width)


def alexnet(classes: int = 1000, width: int = 64) -> nn.Sequential:
    """Build AlexNet on blocks of 11x11, 5x5 and 3x3 kernels, all with 1x3 and 3x1 branches (section 4.2).

    Five blocks: 15 convolutions in training form, 5 in deploy form. Images of 224 pixels.
    """
    block = AsymmetricConvolutionBlock
    return nn.Sequential(
        block(3, width, 11, stride=4, padding=2, asymmetric_size=3),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        block(width, 3 * width, 5, padding=2, asymmetric_size=3),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        block(3 * width, 6 * width, 3, padding=1),
        nn.ReLU(),
        block(6 * width, 4 * width, 3, padding=1),
        nn.ReLU(),
        block(4 * width, 4 * width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, classes),
    )

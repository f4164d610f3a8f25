"""MobileOne (Vasu et al., CVPR 2023): over-parameterised depthwise and pointwise layers."""

from __future__ import annotations

from torch import Tensor, nn

from graphmorph.models.layers import ConvNorm, SqueezeExcitation
from graphmorph.models.reparameterise import (
    KernelAndBias,
    add,
    conv2d,
    deploy_form,
    identity_kernel,
    place,
    scale_and_shift,
)


class MobileOneBlock(nn.Module):
    """ReLU(SE(sum of k normalised convolutions + a 1x1 scale branch + a normalised skip))."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        branches: int = 1,
        excite: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.groups = kernel_size, stride, groups
        self.padding = kernel_size // 2
        self.convolutions = nn.ModuleList(
            ConvNorm(in_channels, out_channels, kernel_size, stride=stride, padding=self.padding, groups=groups)
            for _ in range(branches)
        )
        self.scale = ConvNorm(in_channels, out_channels, 1, stride=stride, groups=groups) if kernel_size > 1 else None
        self.skip = nn.BatchNorm2d(in_channels) if stride == 1 and in_channels == out_channels else None
        self.gate: nn.Module = SqueezeExcitation(out_channels, out_channels // 16 or 1) if excite else nn.Identity()
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, out, height/stride, width/stride)."""
        total: Tensor | None = None if self.skip is None else self.skip(x)
        if self.scale is not None:
            scaled: Tensor = self.scale(x)
            total = scaled if total is None else scaled + total
        for convolution in self.convolutions:
            branch: Tensor = convolution(x)
            total = branch if total is None else total + branch
        y: Tensor = self.activation(self.gate(total))
        return y

    def kernel_and_bias(self) -> KernelAndBias:
        """Return the kernel (out, in/groups, k, k) and bias (out,) that equal all branches, in float64."""
        sizes = (self.kernel_size, self.kernel_size)
        parts = [branch.kernel_and_bias() for branch in self.convolutions if isinstance(branch, ConvNorm)]
        if self.scale is not None:
            kernel, bias = self.scale.kernel_and_bias()
            parts.append((place(kernel, sizes), bias))
        if self.skip is not None:
            scale, shift = scale_and_shift(self.skip)
            parts.append((identity_kernel(len(scale), self.groups, sizes) * scale.reshape(-1, 1, 1, 1), shift))
        return add(*parts)

    def deploy(self) -> nn.Module:
        """Return convolution, squeeze and excitation if there is one, ReLU."""
        dtype = next(self.parameters()).dtype
        conv = conv2d(self.kernel_and_bias(), stride=self.stride, padding=self.padding, groups=self.groups, dtype=dtype)
        return nn.Sequential(conv, deploy_form(self.gate), nn.ReLU())


class MobileOne(nn.Module):
    """Stem and four stages of depthwise and pointwise blocks; the last ``excited`` blocks have a gate."""

    def __init__(
        self,
        blocks: tuple[int, int, int, int],
        widths: tuple[int, int, int, int],
        *,
        branches: int,
        classes: int = 1000,
        excited: int = 0,
    ) -> None:
        super().__init__()
        channels = min(64, widths[0])
        layers: list[nn.Module] = [MobileOneBlock(3, channels, 3, stride=2)]
        position, total = 0, sum(blocks)
        for count, width in zip(blocks, widths, strict=True):
            for index in range(count):
                excite = position >= total - excited
                stride = 1 if index else 2
                layers += [
                    MobileOneBlock(
                        channels,
                        channels,
                        3,
                        stride=stride,
                        groups=channels,
                        branches=branches,
                        excite=excite,
                    ),
                    MobileOneBlock(channels, width, 1, branches=branches, excite=excite),
                ]
                channels, position = width, position + 1
        self.layers = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, 3, height, width) to logits (batch, classes)."""
        logits: Tensor = self.classifier(self.pool(self.layers(x)).flatten(1))
        return logits


def s0(classes: int = 1000) -> MobileOne:
    """Build MobileOne-s0, four branches a layer: 191 convolutions in training form, 43 in deploy form."""
    return MobileOne((2, 8, 10, 1), (48, 128, 256, 1024), branches=4, classes=classes)


def s4_small(classes: int = 10) -> MobileOne:
    """Build a small MobileOne whose last two blocks have gates, as s4: 22 to 17 convolutions."""
    return MobileOne((1, 1, 1, 1), (16, 24, 32, 48), branches=1, classes=classes, excited=2)

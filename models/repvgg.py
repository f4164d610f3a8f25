"""RepVGG (Ding et al., CVPR 2021): a 3x3, a 1x1 and an identity branch, each normalised, then summed."""

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


class RepVGGBlock(nn.Module):
    """ReLU(SE(norm(3x3) + norm(1x1) + norm(x))); the identity branch exists where shapes allow it."""

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, groups: int = 1, excite: bool = False
    ) -> None:
        super().__init__()
        self.stride, self.groups = stride, groups
        self.dense = ConvNorm(in_channels, out_channels, 3, stride=stride, padding=1, groups=groups)
        self.pointwise = ConvNorm(in_channels, out_channels, 1, stride=stride, groups=groups)
        self.identity = nn.BatchNorm2d(out_channels) if stride == 1 and in_channels == out_channels else None
        self.gate: nn.Module = SqueezeExcitation(out_channels, out_channels // 16 or 1) if excite else nn.Identity()
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, out, height/stride, width/stride)."""
        total = self.dense(x) + self.pointwise(x)
        if self.identity is not None:
            total = total + self.identity(x)
        y: Tensor = self.activation(self.gate(total))
        return y

    def kernel_and_bias(self) -> KernelAndBias:
        """Return kernel (out, in/groups, 3, 3) and bias (out,) that equal the branches, in float64."""
        kernel, bias = self.pointwise.kernel_and_bias()
        branches = [self.dense.kernel_and_bias(), (place(kernel, (3, 3)), bias)]
        if self.identity is not None:
            scale, shift = scale_and_shift(self.identity)
            copies = identity_kernel(len(scale), self.groups, (3, 3))
            branches.append((copies * scale.reshape(-1, 1, 1, 1), shift))
        return add(*branches)

    def deploy(self) -> nn.Module:
        """Return convolution, squeeze and excitation if there is one, ReLU."""
        dtype = self.dense.conv.weight.dtype
        conv = conv2d(self.kernel_and_bias(), stride=self.stride, padding=1, groups=self.groups, dtype=dtype)
        return nn.Sequential(conv, deploy_form(self.gate), nn.ReLU())


class RepVGG(nn.Module):
    """Stem and four stages of blocks, then global pooling and a linear classifier."""

    def __init__(
        self,
        blocks: tuple[int, int, int, int],
        widths: tuple[int, int, int, int],
        *,
        classes: int = 1000,
        groups_of_even_layers: int = 1,
        excite: bool = False,
    ) -> None:
        super().__init__()
        channels = min(64, widths[0])
        layers: list[nn.Module] = [RepVGGBlock(3, channels, stride=2, excite=excite)]
        for count, width in zip(blocks, widths, strict=True):
            for index in range(count):
                # as published: layers 2, 4, ..., counted from the stem, are the grouped ones
                groups = groups_of_even_layers if len(layers) % 2 == 0 else 1
                stride = 1 if index else 2
                layers.append(RepVGGBlock(channels, width, stride=stride, groups=groups, excite=excite))
                channels = width
        self.layers = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, 3, height, width) to logits (batch, classes)."""
        logits: Tensor = self.classifier(self.pool(self.layers(x)).flatten(1))
        return logits


def a0(classes: int = 1000) -> RepVGG:
    """Build RepVGG-A0: 44 convolutions in training form, 22 in deploy form."""
    return RepVGG((2, 4, 14, 1), (48, 96, 192, 1280), classes=classes)


def b1g4(classes: int = 1000) -> RepVGG:
    """Build RepVGG-B1g4, every other layer in 4 groups: 56 convolutions in training, 28 in deploy form."""
    return RepVGG((4, 6, 16, 1), (128, 256, 512, 2048), classes=classes, groups_of_even_layers=4)


def d2se_small(classes: int = 10) -> RepVGG:
    """Build a small RepVGG with squeeze and excitation after each block, as D2se: 28 to 21 convolutions."""
    return RepVGG((1, 2, 2, 1), (16, 24, 32, 48), classes=classes, excite=True)

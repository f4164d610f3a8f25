"""PP-LCNetV3: re-parameterised layers with a learnable scalar affine before and after the activation."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from graphmorph.models.layers import ConvNorm
from graphmorph.models.reparameterise import (
    KernelAndBias,
    add,
    conv2d,
    identity_kernel,
    place,
    scale_and_shift,
)


class LearnableAffine(nn.Module):
    """y = scale x + bias with two learnable scalars, each of shape (1,)."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` to the same shape."""
        return self.scale * x + self.bias


class AffineActivation(nn.Module):
    """Hard-swish, then a scalar affine, which stays in deploy form: a padded layer may follow."""

    def __init__(self) -> None:
        super().__init__()
        self.activation = nn.Hardswish()
        self.affine = LearnableAffine()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` to the same shape."""
        y: Tensor = self.affine(self.activation(x))
        return y


class LearnableRepLayer(nn.Module):
    """Scalar affine of (k x k branches + 1x1 + normalised identity), activation unless the stride is 2."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        branches: int = 4,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.groups = kernel_size, stride, groups
        self.padding = (kernel_size - 1) // 2
        same = out_channels == in_channels and stride == 1
        self.identity = nn.BatchNorm2d(in_channels) if same else None
        self.square = nn.ModuleList(
            ConvNorm(in_channels, out_channels, kernel_size, stride=stride, padding=self.padding, groups=groups)
            for _ in range(branches)
        )
        self.pointwise = (
            ConvNorm(in_channels, out_channels, 1, stride=stride, groups=groups) if kernel_size > 1 else None
        )
        self.affine = LearnableAffine()
        self.activation: nn.Module = AffineActivation() if stride != 2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, out, height/stride, width/stride)."""
        total: Tensor | None = None if self.identity is None else self.identity(x)
        if self.pointwise is not None:
            pointwise: Tensor = self.pointwise(x)
            total = pointwise if total is None else total + pointwise
        for branch in self.square:
            square: Tensor = branch(x)
            total = square if total is None else total + square
        y: Tensor = self.activation(self.affine(total))
        return y

    def kernel_and_bias(self) -> KernelAndBias:
        """Return kernel (out, in/groups, k, k) and bias (out,) of branches and affine, in float64."""
        sizes = (self.kernel_size, self.kernel_size)
        parts = [branch.kernel_and_bias() for branch in self.square if isinstance(branch, ConvNorm)]
        if self.pointwise is not None:
            kernel, bias = self.pointwise.kernel_and_bias()
            parts.append((place(kernel, sizes), bias))
        if self.identity is not None:
            scale, shift = scale_and_shift(self.identity)
            parts.append((identity_kernel(len(scale), self.groups, sizes) * scale.reshape(-1, 1, 1, 1), shift))
        kernel, bias = add(*parts)
        factor = self.affine.scale.detach().double()
        return kernel * factor, bias * factor + self.affine.bias.detach().double()

    def deploy(self) -> nn.Module:
        """Return one convolution and the activation; the affine after the activation stays."""
        conv = conv2d(
            self.kernel_and_bias(),
            stride=self.stride,
            padding=self.padding,
            groups=self.groups,
            dtype=self.affine.scale.dtype,
        )
        if isinstance(self.activation, nn.Identity):
            return conv
        return nn.Sequential(conv, copy.deepcopy(self.activation))


def lcnet_small(channels: int = 8, classes: int = 10) -> nn.Sequential:
    """Build a small PP-LCNetV3: 28 convolutions in training form, 7 in deploy form."""
    layers: list[nn.Module] = [ConvNorm(3, channels, 3, stride=2, padding=1)]
    for out_channels, stride in ((channels, 1), (2 * channels, 2), (2 * channels, 1)):
        layers += [
            LearnableRepLayer(channels, channels, 3, stride=stride, groups=channels),
            LearnableRepLayer(channels, out_channels, 1),
        ]
        channels = out_channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))

"""Decoders: transposed convolution, normalisation, ReLU."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from graphmorph.models.reparameterise import conv_parameters, fold_transposed_norm, load_parameters


class TransposedConvNorm(nn.Module):
    """``ConvTranspose2d`` (weight in, out/groups, k, k), then batch normalisation, then an optional ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 4,
        *,
        stride: int = 2,
        padding: int = 1,
        groups: int = 1,
        bias: bool = False,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(
            in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=bias
        )
        self.norm = nn.BatchNorm2d(out_channels)
        self.activation: nn.Module = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, height, width) to (batch, out, height', width')."""
        y: Tensor = self.activation(self.norm(self.conv(x)))
        return y

    def deploy(self) -> nn.Module:
        """Return one transposed convolution with bias, and the ReLU if there is one."""
        old = self.conv
        conv = nn.ConvTranspose2d(
            old.in_channels,
            old.out_channels,
            (old.kernel_size[0], old.kernel_size[1]),
            (old.stride[0], old.stride[1]),
            (int(old.padding[0]), int(old.padding[1])),
            groups=old.groups,
            dtype=old.weight.dtype,
        )
        load_parameters(conv, fold_transposed_norm(conv_parameters(old), self.norm, old.groups))
        return conv if isinstance(self.activation, nn.Identity) else nn.Sequential(conv, copy.deepcopy(self.activation))


def decoder(channels: int = 16, groups: int = 1) -> nn.Sequential:
    """Build a decoder of three transposed layers, each normalised, and a 1x1 head: 4 layers in both forms."""
    return nn.Sequential(
        TransposedConvNorm(channels, channels, groups=groups),
        TransposedConvNorm(channels, channels // 2, groups=groups, bias=True),
        TransposedConvNorm(channels // 2, channels // 2, 3, stride=1, groups=channels // 2),
        nn.Conv2d(channels // 2, 3, 1),
    )

"""Layers that several families share: convolution with batch normalisation, squeeze and excitation."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from graphmorph.models.reparameterise import (
    KernelAndBias,
    conv_parameters,
    fold_norm,
    load_parameters,
)

CONVOLUTIONS: dict[int, type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]] = {
    1: nn.Conv1d,
    2: nn.Conv2d,
    3: nn.Conv3d,
}
NORMALISATIONS: dict[int, type[nn.BatchNorm1d] | type[nn.BatchNorm2d] | type[nn.BatchNorm3d]] = {
    1: nn.BatchNorm1d,
    2: nn.BatchNorm2d,
    3: nn.BatchNorm3d,
}


class ConvNorm(nn.Module):
    """Convolution over ``dims`` spatial axes, then batch normalisation, then an optional ReLU."""

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
        relu: bool = False,
        dims: int = 2,
    ) -> None:
        super().__init__()
        self.conv = CONVOLUTIONS[dims](
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias=bias
        )
        self.norm = NORMALISATIONS[dims](out_channels)
        self.activation: nn.Module = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, in, *sizes) to (batch, out, *sizes)."""
        y: Tensor = self.activation(self.norm(self.conv(x)))
        return y

    def kernel_and_bias(self) -> KernelAndBias:
        """Return the float64 kernel and bias of convolution and normalisation together."""
        return fold_norm(conv_parameters(self.conv), self.norm)

    def deploy(self) -> nn.Module:
        """Return one convolution with bias, followed by the ReLU if there is one."""
        old = self.conv
        conv = type(old)(
            old.in_channels,
            old.out_channels,
            old.kernel_size,  # type: ignore[arg-type]
            old.stride,  # type: ignore[arg-type]
            old.padding,  # type: ignore[arg-type]
            old.dilation,  # type: ignore[arg-type]
            old.groups,
            bias=True,
            dtype=old.weight.dtype,
        )
        load_parameters(conv, self.kernel_and_bias())
        if isinstance(self.activation, nn.Identity):
            return conv
        return nn.Sequential(conv, copy.deepcopy(self.activation))


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate computed from the channel means (two 1x1 convolutions)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, channels, height, width) to the same shape."""
        gate: Tensor = self.expand(self.reduce(self.pool(x)).relu()).sigmoid()
        return x * gate

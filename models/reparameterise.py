"""Kernel arithmetic of the hand-made deploy forms: float64, one rounding at the end.

Every function works on a pair ``(kernel, bias)`` with kernel ``(out, in/groups, *sizes)`` and bias
``(out,)``, both float64. Sources: ACNet equations 6 and 7, RepVGG section 3.3, Diverse Branch Block
transforms I to VI.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

KernelAndBias = tuple[Tensor, Tensor]


@runtime_checkable
class Reparameterisable(Protocol):
    """A module that knows its equivalent with fewer branches."""

    def deploy(self) -> nn.Module:
        """Return the equivalent module for inference, with weights of its own."""


def deploy_form(module: nn.Module) -> nn.Module:
    """Return a copy of ``module`` in which every block with a ``deploy`` method is replaced by its result."""
    if isinstance(module, Reparameterisable):
        return module.deploy().train(module.training)
    clone = copy.deepcopy(module)
    for name, child in module.named_children():
        setattr(clone, name, deploy_form(child))
    return clone


def scale_and_shift(norm: _BatchNorm) -> KernelAndBias:
    """Return the affine ``(scale, shift)``, each ``(channels,)``, that ``norm`` applies in eval mode."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch normalisation without running statistics has no deploy form")
    scale = 1.0 / torch.sqrt(norm.running_var.detach().double() + norm.eps)
    if norm.affine:
        scale = scale * norm.weight.detach().double()
    shift = -norm.running_mean.detach().double() * scale
    return scale, shift + norm.bias.detach().double() if norm.affine else shift


def conv_parameters(layer: _ConvNd | nn.Linear) -> KernelAndBias:
    """Return the float64 kernel and bias of a layer; a missing bias is zero."""
    kernel = layer.weight.detach().double()
    channels = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
    bias: Tensor | None = layer.bias
    return kernel, kernel.new_zeros(channels) if bias is None else bias.detach().double()


def fold_norm(parameters: KernelAndBias, norm: _BatchNorm | None) -> KernelAndBias:
    """Fold a normalisation that follows the layer into its kernel and bias."""
    if norm is None:
        return parameters
    kernel, bias = parameters
    scale, shift = scale_and_shift(norm)
    per_filter = scale.reshape(-1, *[1] * (kernel.dim() - 1))
    return kernel * per_filter, bias * scale + shift


def fold_transposed_norm(parameters: KernelAndBias, norm: _BatchNorm, groups: int) -> KernelAndBias:
    """Fold a normalisation into a transposed convolution, whose kernel is ``(in, out/groups, *sizes)``."""
    kernel, bias = parameters
    scale, shift = scale_and_shift(norm)
    by_group = kernel.reshape(groups, kernel.shape[0] // groups, *kernel.shape[1:])
    by_group = by_group * scale.reshape(groups, 1, -1, *[1] * (kernel.dim() - 2))
    return by_group.reshape(kernel.shape), bias * scale + shift


def identity_kernel(channels: int, groups: int, sizes: Sequence[int]) -> Tensor:
    """Return the kernel ``(channels, channels/groups, *sizes)`` that copies each channel."""
    kernel = torch.zeros(channels, channels // groups, *sizes, dtype=torch.float64)
    centre = tuple(size // 2 for size in sizes)
    for channel in range(channels):
        kernel[(channel, channel % (channels // groups), *centre)] = 1.0
    return kernel


def average_kernel(channels: int, groups: int, sizes: Sequence[int]) -> Tensor:
    """Return the kernel ``(channels, channels/groups, *sizes)`` that averages the window of each channel."""
    return identity_kernel(channels, groups, [1] * len(sizes)).expand(-1, -1, *sizes) / float(
        torch.tensor(sizes).prod()
    )


def place(kernel: Tensor, sizes: Sequence[int], begin: Sequence[int] | None = None) -> Tensor:
    """Embed ``kernel`` in zeros of ``sizes``, its first tap at ``begin`` (centred when not given)."""
    inner = kernel.shape[2:]
    start = [(size - small) // 2 for size, small in zip(sizes, inner, strict=True)] if begin is None else list(begin)
    placed = kernel.new_zeros(*kernel.shape[:2], *sizes)
    window = tuple(slice(first, first + small) for first, small in zip(start, inner, strict=True))
    placed[(slice(None), slice(None), *window)] = kernel
    return placed


def dilate(kernel: Tensor, dilation: int) -> Tensor:
    """Return the dense kernel equal to ``kernel`` (out, in, kh, kw) used with ``dilation``."""
    sizes = [(size - 1) * dilation + 1 for size in kernel.shape[2:]]
    dense = kernel.new_zeros(*kernel.shape[:2], *sizes)
    dense[:, :, ::dilation, ::dilation] = kernel
    return dense


def compose_pointwise(first: KernelAndBias, second: KernelAndBias, groups: int) -> KernelAndBias:
    """Return the one convolution equal to a 1x1 ``first`` and then ``second`` (DBB transform III).

    Exact when the padding of ``second`` carries the bias of ``first``, or when there is none.
    """
    kernels, biases = [], []
    for pointwise, inner_bias, kernel in zip(
        first[0].chunk(groups), first[1].chunk(groups), second[0].chunk(groups), strict=True
    ):
        kernels.append(torch.einsum("omhw,mi->oihw", kernel, pointwise.flatten(1)))
        biases.append(torch.einsum("omhw,m->o", kernel, inner_bias))
    return torch.cat(kernels), second[1] + torch.cat(biases)


def add(*branches: KernelAndBias) -> KernelAndBias:
    """Return the sum of parallel branches whose kernels have one shape."""
    kernel, bias = branches[0]
    for other_kernel, other_bias in branches[1:]:
        kernel, bias = kernel + other_kernel, bias + other_bias
    return kernel, bias


def load_parameters(layer: nn.Module, parameters: KernelAndBias) -> Any:
    """Write kernel and bias into ``layer``, rounded once to its own type, and return it."""
    with torch.no_grad():
        layer.get_parameter("weight").copy_(parameters[0])
        layer.get_parameter("bias").copy_(parameters[1])
    return layer


def conv2d(
    parameters: KernelAndBias,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    dtype: torch.dtype = torch.float32,
) -> nn.Conv2d:
    """Return a ``Conv2d`` with bias that holds the given kernel (out, in/groups, kh, kw)."""
    out_channels, per_group, height, width = parameters[0].shape
    layer = nn.Conv2d(
        per_group * groups,
        out_channels,
        (height, width),
        stride,
        padding,
        dilation,
        groups,
        bias=True,
        dtype=dtype,
    )
    loaded: nn.Conv2d = load_parameters(layer, parameters)
    return loaded

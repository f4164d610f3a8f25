"""Small blocks of every kind, by name: what a re-parameterisation tool meets in exported files.

``SMALL_BLOCKS[name]()`` gives a ``Specimen``: a module in training form, with randomised statistics, that
``deploy_form`` turns into ``layers`` convolutions or linear layers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from graphmorph.models.acnet import AsymmetricConvolutionBlock
from graphmorph.models.diverse_branch_block import DiverseBranchBlock
from graphmorph.models.large_kernel import DILATED_BRANCHES, LargeKernelBlock, replknet_small
from graphmorph.models.layers import ConvNorm
from graphmorph.models.lora import LinearNorm, LoRALinear, ParallelLinears
from graphmorph.models.mobileone import MobileOneBlock
from graphmorph.models.pplcnet import LearnableRepLayer
from graphmorph.models.randomise import randomise
from graphmorph.models.reparameterise import deploy_form
from graphmorph.models.repvgg import RepVGGBlock
from graphmorph.models.transposed import TransposedConvNorm

IMAGE = (2, 8, 13, 12)


@dataclass(frozen=True)
class Specimen:
    """A module in training form, an input (batch, ...) for it, and the layers that its deploy form keeps."""

    module: nn.Module
    example: Tensor
    layers: int

    def deploy(self) -> nn.Module:
        """Return the hand-made deploy form."""
        return deploy_form(self.module)


def count_layers(module: nn.Module) -> int:
    """Return the number of convolutions, transposed convolutions and linear layers in ``module``."""
    kinds = (nn.modules.conv._ConvNd, nn.Linear)
    return sum(isinstance(child, kinds) for child in module.modules())


def _specimen(build: Callable[[], nn.Module], shape: tuple[int, ...], layers: int) -> Callable[[], Specimen]:
    def make() -> Specimen:
        generator = torch.Generator().manual_seed(0)
        example = torch.randn(shape, generator=generator)
        return Specimen(randomise(build(), seed=1, example=example), example, layers)

    return make


def _acb(kernel_size: int, in_channels: int = 8, out_channels: int = 12, **options: object) -> Callable[[], Specimen]:
    def build() -> nn.Module:
        return AsymmetricConvolutionBlock(in_channels, out_channels, kernel_size, **options)  # type: ignore[arg-type]

    return _specimen(build, (2, in_channels, 13, 12), 1)


def _asymmetric() -> dict[str, Callable[[], Specimen]]:
    blocks = {
        f"acb_k{size}_p{padding}_s{stride}_g{groups}": _acb(size, padding=padding, stride=stride, groups=groups)
        for size in (3, 5)
        for padding in range(7)
        for stride in (1, 2)
        for groups in ((1, 4) if padding < 3 else (1,))
    }
    blocks |= {
        "acb_norm_after_sum": _acb(3, padding=1, normalise="sum"),
        "acb_no_norm_bias": _acb(3, padding=1, normalise="none", bias=True),
        "acb_bias": _acb(3, padding=1, bias=True),
        "acb_horizontal": _acb(3, padding=1, vertical=False),
        "acb_vertical": _acb(3, padding=1, horizontal=False),
        "acb_dilated": _acb(3, padding=2, dilation=2),
        "acb_dilated_cropped": _acb(3, padding=1, dilation=2),
        "acb_depthwise": _acb(3, 8, 8, padding=1, groups=8),
        "acb_shifted": _acb(3, padding=1, shifted=True),
        "acb_shifted_k5": _acb(5, padding=2, shifted=True, stride=2),
        "acb_shifted_unpadded": _acb(3, shifted=True),
        "acb_k5_with_1x3": _acb(5, padding=2, asymmetric_size=3),
        "acb_k11_with_1x3": _acb(11, padding=2, stride=4, asymmetric_size=3),
    }
    return blocks


def _one_dimensional() -> nn.Module:
    return nn.Sequential(ConvNorm(8, 12, 5, padding=2, relu=True, dims=1), ConvNorm(12, 8, 3, groups=4, dims=1))


def _three_dimensional(bias: bool) -> nn.Module:
    return nn.Sequential(
        ConvNorm(4, 8, 3, padding=1, bias=bias, relu=True, dims=3),
        ConvNorm(8, 8, 3, stride=2, bias=bias, dims=3),
    )


SMALL_BLOCKS: dict[str, Callable[[], Specimen]] = {
    **_asymmetric(),
    "repvgg": _specimen(lambda: RepVGGBlock(8, 8), IMAGE, 1),
    "repvgg_groups": _specimen(lambda: RepVGGBlock(8, 8, groups=4), IMAGE, 1),
    "repvgg_stride": _specimen(lambda: RepVGGBlock(8, 12, stride=2), IMAGE, 1),
    "repvgg_excite": _specimen(lambda: RepVGGBlock(8, 8, excite=True), IMAGE, 3),
    "mobileone_depthwise": _specimen(lambda: MobileOneBlock(8, 8, 3, groups=8, branches=4), IMAGE, 1),
    "mobileone_pointwise": _specimen(lambda: MobileOneBlock(8, 8, 1, branches=4), IMAGE, 1),
    "mobileone_excite": _specimen(lambda: MobileOneBlock(8, 8, 3, branches=2, excite=True), IMAGE, 3),
    "dbb": _specimen(lambda: DiverseBranchBlock(8, 12, 3, padding=1), IMAGE, 1),
    "dbb_stride": _specimen(lambda: DiverseBranchBlock(8, 8, 3, stride=2, padding=1, relu=True), IMAGE, 1),
    "dbb_groups": _specimen(lambda: DiverseBranchBlock(8, 12, 3, padding=1, groups=4), IMAGE, 1),
    "dbb_depthwise": _specimen(lambda: DiverseBranchBlock(8, 8, 3, padding=1, groups=8), IMAGE, 1),
    "dbb_k5": _specimen(lambda: DiverseBranchBlock(8, 8, 5, padding=2), IMAGE, 1),
    "large_small": _specimen(lambda: LargeKernelBlock(8, 13, ((5, 1),)), (2, 8, 20, 18), 1),
    "large_dilated_13": _specimen(lambda: LargeKernelBlock(8, 13, DILATED_BRANCHES[13]), (2, 8, 20, 18), 1),
    "large_dilated_9": _specimen(lambda: LargeKernelBlock(8, 9, DILATED_BRANCHES[9]), (2, 8, 20, 18), 1),
    "replknet_block": _specimen(lambda: replknet_small()[2], (2, 16, 20, 18), 5),
    "lora": _specimen(lambda: LoRALinear(16, 24, 4, alpha=8.0), (3, 16), 1),
    "lora_no_bias": _specimen(lambda: LoRALinear(16, 24, 4, alpha=8.0, bias=False), (3, 16), 1),
    "lora_sequence": _specimen(lambda: LoRALinear(16, 24, 4, alpha=8.0), (3, 5, 16), 1),
    "parallel_linears": _specimen(lambda: ParallelLinears(16, 24, 3), (3, 16), 1),
    "parallel_linears_sequence": _specimen(lambda: ParallelLinears(16, 24, 3), (3, 5, 16), 1),
    "linear_norm": _specimen(lambda: LinearNorm(16, 24), (3, 16), 1),
    "linear_norm_no_bias": _specimen(lambda: LinearNorm(16, 24, bias=False), (3, 16), 1),
    "lcnet_depthwise": _specimen(lambda: LearnableRepLayer(8, 8, 3, groups=8), IMAGE, 1),
    "lcnet_pointwise": _specimen(lambda: LearnableRepLayer(8, 12, 1), IMAGE, 1),
    "lcnet_stride": _specimen(lambda: LearnableRepLayer(8, 8, 5, stride=2, groups=8), IMAGE, 1),
    "transposed": _specimen(lambda: TransposedConvNorm(8, 6), IMAGE, 1),
    "transposed_groups": _specimen(lambda: TransposedConvNorm(8, 12, groups=4, bias=True), IMAGE, 1),
    "transposed_depthwise": _specimen(lambda: TransposedConvNorm(8, 8, 3, stride=1, groups=8), IMAGE, 1),
    "conv_norm_1d": _specimen(_one_dimensional, (2, 8, 17), 2),
    "conv_norm_3d": _specimen(lambda: _three_dimensional(bias=False), (2, 4, 9, 8, 7), 2),
    "conv_norm_3d_bias": _specimen(lambda: _three_dimensional(bias=True), (2, 4, 9, 8, 7), 2),
}

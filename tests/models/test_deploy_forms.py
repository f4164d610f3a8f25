"""Every hand-made deploy form equals its training form in float64, and has the published number of layers."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from graphmorph.models import (
    acnet,
    diverse_branch_block,
    large_kernel,
    lora,
    mobileone,
    pplcnet,
    repvgg,
    transposed,
)
from graphmorph.models.blocks import SMALL_BLOCKS, count_layers
from graphmorph.models.randomise import randomise
from graphmorph.models.reparameterise import deploy_form

TOLERANCE = 1e-10
IMAGE = (1, 3, 64, 64)

#: name: builder, input shape, convolutions trained and deployed, parameters trained and deployed
Row = tuple[Callable[[], nn.Module], tuple[int, ...], tuple[int, int], tuple[int, int]]
NETWORKS: dict[str, Row] = {
    "acnet-resnet18": (acnet.resnet18, (1, 3, 32, 32), (54, 20), (19_031_464, 11_684_712)),
    "acnet-resnet18-small": (lambda: acnet.resnet18_small(width=16), IMAGE, (54, 20), (1_163_386, 700_266)),
    "acnet-alexnet": (lambda: acnet.alexnet(10, 8), (1, 3, 224, 224), (15, 5), (65_874, 41_586)),
    "repvgg-a0": (repvgg.a0, IMAGE, (44, 22), (9_108_968, 8_309_384)),
    "repvgg-d2se-small": (repvgg.d2se_small, IMAGE, (28, 21), (48_197, 42_917)),
    "mobileone-s0": (mobileone.s0, IMAGE, (191, 43), (5_293_272, 2_078_504)),
    "mobileone-s4-small": (mobileone.s4_small, IMAGE, (22, 17), (6_218, 5_618)),
    "dbb-resnet18": (lambda: diverse_branch_block.resnet18(10, 16), IMAGE, (84, 20), (1_622_842, 702_186)),
    "dbb-mobilenet": (diverse_branch_block.mobilenet, IMAGE, (57, 27), (4_372_183, 4_221_032)),
    "replknet-small": (large_kernel.replknet_small, IMAGE, (14, 12), (15_002, 13_722)),
    "unireplknet-small": (large_kernel.unireplknet_small, IMAGE, (20, 12), (13_754, 10_906)),
    "lora-mlp": (lora.lora_mlp, (3, 32), (0, 0), (5_064, 4_426)),
    "lcnet-small": (pplcnet.lcnet_small, IMAGE, (28, 7), (4_136, 1_212)),
    "decoder": (transposed.decoder, (1, 16, 6, 5), (4, 4), (6_315, 6_275)),
    "decoder-groups": (lambda: transposed.decoder(16, 4), (1, 16, 6, 5), (4, 4), (1_707, 1_667)),
}


def convolutions(module: nn.Module) -> int:
    return sum(isinstance(child, nn.modules.conv._ConvNd) for child in module.modules())


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def norms(module: nn.Module) -> int:
    return sum(isinstance(child, _BatchNorm) for child in module.modules())


def relative_error(trained: nn.Module, deployed: nn.Module, x: Tensor) -> float:
    with torch.no_grad():
        expected, actual = trained(x), deployed(x)
    assert expected.shape == actual.shape
    return float((expected - actual).abs().max() / expected.abs().max())


@pytest.mark.parametrize("name", NETWORKS)
def test_network_equals_its_deploy_form(name: str) -> None:
    build, shape, expected_convolutions, expected_parameters = NETWORKS[name]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(7))
    trained = randomise(build(), seed=1, example=x).double()
    deployed = deploy_form(trained)

    assert (convolutions(trained), convolutions(deployed)) == expected_convolutions
    assert (parameters(trained), parameters(deployed)) == expected_parameters
    assert (norms(trained) > 0, norms(deployed)) == (True, 0)
    assert relative_error(trained, deployed, x.double()) < TOLERANCE


@pytest.mark.slow
def test_repvgg_b1g4_equals_its_deploy_form() -> None:
    x = torch.randn(IMAGE, generator=torch.Generator().manual_seed(7))
    trained = randomise(repvgg.b1g4(), seed=1, example=x).double()
    deployed = deploy_form(trained)

    assert (convolutions(trained), convolutions(deployed)) == (56, 28)
    assert (parameters(trained), parameters(deployed)) == (39_966_056, 36_125_416)
    assert relative_error(trained, deployed, x.double()) < TOLERANCE


@pytest.mark.parametrize("name", SMALL_BLOCKS)
def test_block_equals_its_deploy_form(name: str) -> None:
    specimen = SMALL_BLOCKS[name]()
    trained = copy.deepcopy(specimen.module).double()
    deployed = deploy_form(trained)

    assert count_layers(deployed) == specimen.layers
    assert norms(deployed) == 0
    assert relative_error(trained, deployed, specimen.example.double()) < TOLERANCE


def test_deploy_form_leaves_the_trained_module_alone() -> None:
    trained = SMALL_BLOCKS["repvgg"]().module
    before = copy.deepcopy(trained.state_dict())
    deployed = deploy_form(trained)
    for parameter in deployed.parameters():
        parameter.data.zero_()

    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())


def test_deploy_form_keeps_the_type_of_the_weights() -> None:
    specimen = SMALL_BLOCKS["dbb"]()
    assert {parameter.dtype for parameter in specimen.deploy().parameters()} == {torch.float32}
    half = deploy_form(specimen.module.to(torch.bfloat16))
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}


def test_diverse_branch_block_refuses_another_padding() -> None:
    with pytest.raises(ValueError, match="padding 0 of a 3x3 block must be 1"):
        diverse_branch_block.DiverseBranchBlock(4, 4, 3, padding=0)

"""Every architecture has the size that others published for it, and takes and gives the shapes that it says."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from graphmorph.models.catalogue import ARCHITECTURES, Architecture
from graphmorph.models.reparameterise import deploy_form


def on_meta(architecture: Architecture) -> nn.Module:
    """Build without memory: shapes and counts only."""
    with torch.device("meta"):
        return architecture.build()


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_published_number_of_parameters(name: str) -> None:
    architecture = ARCHITECTURES[name]
    module = deploy_form(architecture.build()) if architecture.deployed else on_meta(architecture)
    counted = parameters(module)
    assert architecture.parameters is not None
    assert architecture.counted
    if architecture.unit == 1:
        assert counted == architecture.parameters
    else:  # rounded, or cut off, to the digits given
        assert abs(counted - architecture.parameters) < architecture.unit


def test_repvgg_in_training_form() -> None:
    # open-mmlab/mmpretrain, configs/repvgg: 9.11M trained
    assert abs(parameters(on_meta(ARCHITECTURES["repvgg_a0"])) - 9_110_000) < 10_000


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_shapes_in_full_size(name: str) -> None:
    architecture = ARCHITECTURES[name]
    size = architecture.input_shape[1:]
    module = on_meta(architecture).eval()
    shape = module(torch.empty(2, *architecture.input_shape, device="meta")).shape
    classes = {224: (1000,), 256: (1, *size)}.get(size[-1], (10,))
    assert shape == (2, *classes)


def test_example_inputs_follow_the_seed() -> None:
    architecture = ARCHITECTURES["mlp_80_60_40"]
    x, again, other = (architecture.example_inputs(3, seed) for seed in (0, 0, 1))
    assert x.shape == (3, 1, 10, 10)
    assert torch.equal(x, again)
    assert not torch.equal(x, other)

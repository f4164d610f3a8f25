"""Randomised statistics are non-trivial, deterministic, and keep activations O(1) through depth."""

from __future__ import annotations

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from graphmorph.models import mobileone
from graphmorph.models.blocks import SMALL_BLOCKS
from graphmorph.models.randomise import randomise

EXAMPLE = torch.zeros(1, 3, 64, 64)


def test_same_seed_same_weights() -> None:
    first, again, other = (randomise(mobileone.s4_small(), seed, EXAMPLE).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


def test_normalisations_are_not_trivial() -> None:
    norms = [child for child in SMALL_BLOCKS["dbb"]().module.modules() if isinstance(child, _BatchNorm)]
    assert len(norms) == 6
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert bool((norm.running_var > 0).all())
        assert float(norm.running_mean.std()) > 0
        assert float((norm.weight.detach() - 1).abs().max()) > 0.1
        assert float(norm.bias.detach().abs().max()) > 0.05
    assert any(bool((norm.weight < 0).any()) for norm in norms)


def test_activations_stay_of_order_one_through_depth() -> None:
    model = randomise(mobileone.s0(10), 1, EXAMPLE)
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        for layer in model.layers:
            x = layer(x)
            assert 0.1 < float(x.std()) < 10


def test_module_is_left_in_eval_mode_without_hooks() -> None:
    model = randomise(mobileone.s4_small().train(), 1, EXAMPLE)
    assert not any(child.training for child in model.modules())
    assert not any(child._forward_pre_hooks for child in model.modules())

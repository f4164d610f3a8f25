"""What tests of fused modules share: normalisations with something to fold, and what a fused module must be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils import _pytree as pytree

import graphmorph
from graphmorph.models.blocks import count_layers
from graphmorph.torch_door.morphed_module import MorphedModule
from tests.graphmorph.torch_door.identity_law import unchanged

TOLERANCES = {torch.float64: 1e-12, torch.float32: 2e-5, torch.float16: 8e-3, torch.bfloat16: 4e-2}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small run faster on one thread than on several, most of all beside other processes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def settled(module: nn.Module, seed: int = 0) -> nn.Module:
    """In evaluation mode, every normalisation with scales of both signs, offsets and statistics."""
    generator = torch.Generator().manual_seed(seed)
    for norm in norms(module):
        for name, low, high in (
            ("weight", -1.5, 1.5),
            ("bias", -1.0, 1.0),
            ("running_mean", -0.5, 0.5),
            ("running_var", 0.2, 2.0),
        ):
            tensor = getattr(norm, name)
            if tensor is not None:
                tensor.data.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)
    return module.eval()


def norms(module: nn.Module) -> list[_BatchNorm]:
    return [one for one in module.modules() if isinstance(one, _BatchNorm)]


def fused(module: nn.Module, *inputs: Any, layers: int, left: int = 0, **options: Any) -> MorphedModule:
    """Fuse; the result has so many layers and called normalisations, computes the same, and shares nothing."""
    with unchanged(module):
        result = graphmorph.fuse(module, inputs, **options)
    counts = result.report.after.operators
    assert (count_layers(result), counts.get("BatchNormalization", 0)) == (layers, left)
    assert result.report.proof is not None
    assert result.report.proof.verdict == "equal"
    assert_close(module, result, *inputs)
    tensors = {id(t) for t in (*module.parameters(), *module.buffers())}
    assert not tensors & {id(t) for t in (*result.parameters(), *result.buffers())}
    return result


def assert_close(module: nn.Module, other: nn.Module, *inputs: Any) -> None:
    with torch.no_grad():
        expected, got = (pytree.tree_leaves(one(*inputs)) for one in (module, other))
    for one, two in zip(expected, got, strict=True):
        if isinstance(one, Tensor):
            assert (one.dtype, one.shape) == (two.dtype, two.shape)
            error = (one.double() - two.double()).abs().max() / one.double().abs().max()
            assert float(error) < TOLERANCES[one.dtype]


def refusals(module: MorphedModule) -> dict[str, str]:
    return {one.node: one.reason for one in module.report.refusals}

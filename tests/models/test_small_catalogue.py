"""Every architecture has a narrow twin that is wired alike, can be traced, and trains."""

from __future__ import annotations

import pytest
import torch
from torch import fx, nn

from graphmorph.models.catalogue import ARCHITECTURES, Architecture
from graphmorph.models.diverse_branch_block import PaddedNorm
from graphmorph.models.small_catalogue import SMALL_ARCHITECTURES


class Tracer(fx.Tracer):
    """torch's own tracer; ``PaddedNorm`` writes into a tensor, which that cannot trace."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, PaddedNorm) or super().is_leaf_module(m, module_qualified_name)


def on_meta(architecture: Architecture) -> nn.Module:
    """Build without memory: shapes and counts only."""
    with torch.device("meta"):
        return architecture.build()


def operations(module: nn.Module) -> list[tuple[str, str]]:
    return [(node.op, str(node.target)) for node in Tracer().trace(module).nodes]


def test_both_catalogues_have_the_same_names() -> None:
    assert list(SMALL_ARCHITECTURES) == list(ARCHITECTURES)
    for catalogue in (ARCHITECTURES, SMALL_ARCHITECTURES):
        assert all(name == architecture.name == name.lower() for name, architecture in catalogue.items())


@pytest.mark.parametrize("name", SMALL_ARCHITECTURES)
def test_narrow_twin_is_wired_alike(name: str) -> None:
    small = on_meta(SMALL_ARCHITECTURES[name])
    assert operations(small) == operations(on_meta(ARCHITECTURES[name]))
    assert sum(parameter.numel() for parameter in small.parameters()) < 400_000


@pytest.mark.parametrize("name", SMALL_ARCHITECTURES)
def test_tracing_changes_nothing(name: str) -> None:
    architecture = SMALL_ARCHITECTURES[name]
    torch.manual_seed(0)
    module = architecture.build().eval()
    traced = fx.GraphModule(module, Tracer().trace(module))
    x = architecture.example_inputs()
    with torch.no_grad():
        expected = module(x)
        assert torch.equal(traced(x), expected)
    assert float(expected.std()) > 0


@pytest.mark.parametrize("name", SMALL_ARCHITECTURES)
def test_every_parameter_has_a_gradient(name: str) -> None:
    architecture = SMALL_ARCHITECTURES[name]
    module = on_meta(architecture).train()
    module(torch.empty(2, *architecture.input_shape, device="meta")).sum().backward()
    assert [key for key, parameter in module.named_parameters() if parameter.grad is None] == []

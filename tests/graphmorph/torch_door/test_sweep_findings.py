"""What a sweep over other people's architectures once found wrong."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphmorph
from graphmorph.models.randomise import randomise
from graphmorph.torch_door import materialise, trace
from tests.graphmorph.torch_door.lowering_check import opaque_reasons


@torch.fx.wrap
def cut_at(x: Tensor, sizes: list[int]) -> tuple[Tensor, int]:
    """Not traced; changes its argument, and gives a tensor and a number."""
    sizes.append(1)
    return x[:, : sizes[0]], sizes[0]


class Asserting(nn.Module):
    def __init__(self, condition: Any) -> None:
        super().__init__()
        self.conv, self.norm, self.condition = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), condition
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        torch._assert(self.condition(x), "no such input")
        return self.relu(self.norm(x)).flatten(x.dim() - 2)


class Cutting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        part, count = cut_at(self.conv(x), [4])
        return part * count


def test_an_assertion_about_a_rank_is_no_reader() -> None:
    x = torch.randn(2, 3, 9, 9)
    module = randomise(Asserting(lambda y: y.ndim == 4), 0, x).eval()
    fused = graphmorph.fuse(module, x)
    assert fused.report.after.batchnorms == 0
    assert "clone" not in fused.code
    assert not graphmorph.fuse(fused, x).report.changed


def test_an_assertion_about_a_size_stays() -> None:
    x = torch.randn(2, 3, 9, 9)
    module = Asserting(lambda y: y.shape[2] == 7).eval()
    again = materialise(trace(module, x))
    assert torch.equal(again(x), module(x))
    with pytest.raises(AssertionError, match="no such input"):
        again(torch.randn(2, 3, 10, 10))


def test_group_normalisation_between_convolutions_holds_for_other_sizes() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.GroupNorm(2, 8), nn.Conv2d(8, 4, 1)).eval()
    fused = graphmorph.fuse(module, torch.randn(2, 3, 32, 32))
    y = torch.randn(1, 3, 21, 40)
    assert torch.allclose(fused(y), module(y), atol=1e-5)


def test_wrapped_functions_that_give_numbers_and_change_their_arguments() -> None:
    x = torch.randn(2, 3, 9, 9)
    module = Cutting().eval()
    graph = trace(module, x)
    assert opaque_reasons(graph)
    again = materialise(graph)
    assert torch.equal(again(x), module(x))
    assert torch.equal(materialise(trace(again, x))(x), module(x))


def test_a_sequential_is_still_indexed() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
    fused = graphmorph.fuse(module, torch.randn(2, 3, 9, 9))
    assert type(fused[0]) is nn.Conv2d
    assert fused[-1] is fused["2"]


def test_a_leaf_that_was_asked_for_stays_whole() -> None:
    x = torch.randn(2, 3, 9, 9)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)).eval()
    assert opaque_reasons(trace(module, x, leaf_modules=("0",))) == ["it is kept whole, as asked"]
    assert graphmorph.fuse(module, x, leaf_modules=("0",)).report.after.batchnorms == 1

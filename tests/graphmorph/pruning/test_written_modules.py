"""Modules that write into parts of what layers give: borders, and channels by their number."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

import graphmorph
from graphmorph.models.diverse_branch_block import DiverseBranchBlock

EXAMPLE = torch.zeros(2, 3, 16, 16)

Writes = Callable[[torch.Tensor, torch.Tensor], None]


def top(x: torch.Tensor, v: torch.Tensor) -> None:
    x[:, :, :1, :] = v.view(1, -1, 1, 1)


def right(x: torch.Tensor, v: torch.Tensor) -> None:
    x[:, :, :, -1] = v.view(1, 16, 1)


def number_in_channels(x: torch.Tensor, v: torch.Tensor) -> None:
    x[:, 4:12, 2, 3] = 0.5


def some_channels(x: torch.Tensor, v: torch.Tensor) -> None:
    x[:, :8, 4:] = v[:8].view(8, 1, 1)


class Written(nn.Module):
    def __init__(self, writes: Writes) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.v = nn.Parameter(torch.randn(16))
        self.last = nn.Conv2d(16, 4, 3)
        self.writes = writes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x).clone()
        self.writes(y, self.v)
        return self.last(y)


@pytest.mark.parametrize("writes", [top, right])
def test_borders_pass_at_any_size(writes: Writes) -> None:
    made = graphmorph.prune(Written(writes).eval(), EXAMPLE, ratio=0.5, round_to=1)
    assert made.get_submodule("first").out_channels == 8
    assert made(torch.randn(3, 3, 9, 21)).shape == (3, 4, 7, 19)


@pytest.mark.parametrize("writes", [number_in_channels, some_channels])
def test_channels_that_are_written_by_their_number_stay(writes: Writes) -> None:
    """Their numbers, and the sizes beside them, are those of the call."""
    made = graphmorph.prune(Written(writes).eval(), EXAMPLE, ratio=0.5, round_to=1)
    assert made.get_submodule("first").out_channels == 16
    assert "is written at indices" in " ".join(map(str, made.report.walls))


def test_a_diverse_branch_block_is_halved() -> None:
    blocks = DiverseBranchBlock(3, 16, 3, padding=1), DiverseBranchBlock(16, 24, 3, stride=2, padding=1)
    module = nn.Sequential(blocks[0], nn.ReLU(), blocks[1], nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 5))
    made = graphmorph.prune(module.eval(), EXAMPLE, ratio=0.5, round_to=1)
    assert made.get_submodule("5").in_features == 12
    assert made(torch.randn(3, 3, 22, 18)).shape == (3, 5)

"""Pruning around calls that are carried through: what they read of a tensor stays, and no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphmorph
from tests.graphmorph.torch_door.programs import images, program


def window(size: Callable[[Tensor], int]) -> nn.Module:
    """A window as long as a size of what a convolution of 8 channels gives."""

    def forward(m: Any, x: Tensor) -> Tensor:
        y = m.first(x)
        z: Tensor = m.last(y) * torch.hamming_window(size(y)).mean()
        return z

    torch.manual_seed(0)
    return program(forward, first=nn.Conv2d(4, 8, 3), last=nn.Conv2d(8, 2, 1))


@pytest.mark.parametrize("axis", [2, 3])
def test_a_layer_whose_rows_are_counted_shrinks(axis: int) -> None:
    made = graphmorph.prune(window(lambda y: y.shape[axis]), images(), ratio=0.5, round_to=1)
    assert made.report.removal.verdict == "equal"
    assert made.get_submodule("first").out_channels == 4
    assert made(images(1, size=11)).shape == (1, 2, 9, 9)


def test_a_layer_whose_channels_are_counted_stays() -> None:
    made = graphmorph.prune(window(lambda y: y.shape[1]), images(), ratio=0.5, round_to=1)
    assert made.get_submodule("first").out_channels == 8
    (wall,) = (wall for wall in made.report.walls if wall.node == "first")
    assert "Opaque" in str(wall)

"""Pruning of modules whose forward does more than call layers.

Calls that are carried through keep what they read, and no more; what calls make on the way has sizes like all else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

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


def test_a_layer_whose_device_is_asked_for_shrinks() -> None:
    """Its weight is read for what it is made of, and keeps its path."""

    def forward(m: Any, x: Tensor) -> Tensor:
        weight = m.last.weight
        ramp = torch.hamming_window(x.shape[3], device=weight.device, dtype=weight.dtype)
        z: Tensor = m.last(m.first(x * ramp))
        return z

    torch.manual_seed(0)
    module = program(forward, first=nn.Conv2d(4, 8, 1), last=nn.Conv2d(8, 2, 1))
    made = graphmorph.prune(module, images(), ratio=0.5, round_to=1)
    assert made.report.removal.verdict == "equal"
    assert made.get_submodule("last").in_channels == 4
    assert list(made.state_dict()) == list(module.state_dict())
    assert made.double()(images(size=9).double()).dtype == torch.float64


def test_a_layer_whose_channels_are_counted_stays() -> None:
    made = graphmorph.prune(window(lambda y: y.shape[1]), images(), ratio=0.5, round_to=1)
    assert made.get_submodule("first").out_channels == 8
    (wall,) = (wall for wall in made.report.walls if wall.node == "first")
    assert "Opaque" in str(wall)


def test_a_product_that_is_added_to_shrinks() -> None:
    """A global response normalisation (Woo et al. 2023): torch.addcmul multiplies and adds in one call."""

    def forward(m: Any, x: Tensor) -> Tensor:
        y = m.first(x)
        norm = y.norm(p=2, dim=(2, 3), keepdim=True)
        scaled = y * (norm / (norm.mean(dim=1, keepdim=True) + 1e-6))
        z: Tensor = m.last(y + torch.addcmul(m.shift.view(1, -1, 1, 1), m.scale.view(1, -1, 1, 1), scaled))
        return z

    torch.manual_seed(0)
    vectors = {"shift": nn.Parameter(torch.randn(8)), "scale": nn.Parameter(torch.randn(8))}
    module = program(forward, first=nn.Conv2d(4, 8, 3), last=nn.Conv2d(8, 2, 1), **vectors)
    made = graphmorph.prune(module, images(), ratio=0.5, round_to=1)
    assert made.report.removal.verdict == "equal"
    assert made.get_submodule("first").out_channels == 4
    assert list(made.state_dict()) == list(module.state_dict())


class Standardised(nn.Conv2d):
    """A convolution whose weight is normalised in every call, as in normaliser-free networks (Brock et al. 2021)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3)
        self.gain = nn.Parameter(torch.rand(outputs, 1, 1, 1) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        flat, gain = self.weight.reshape(1, self.out_channels, -1), (self.gain * 0.3).view(-1)
        weight = functional.batch_norm(flat, None, None, weight=gain, training=True, momentum=0.0, eps=1e-6)
        return functional.conv2d(x, weight.reshape_as(self.weight), self.bias)


def test_normalised_weights_take_statistics_of_what_is_left() -> None:
    """The layers share no channels, though what stands for their missing statistics is the same."""
    torch.manual_seed(0)
    layers = {"first": Standardised(4, 8), "second": Standardised(8, 8), "last": Standardised(8, 3)}
    module = program(lambda m, x: m.last(torch.sigmoid(m.second(torch.sigmoid(m.first(x))))), **layers)
    made = graphmorph.prune(module, images(size=9), ratio=0.5, round_to=1)
    assert made.report.removal.verdict == "equal"
    assert len(made.report.groups) == 2
    shapes = {name: tuple(tensor.shape) for name, tensor in made.state_dict().items()}
    assert shapes["first.weight"] == (4, 4, 3, 3)
    assert shapes["second.weight"] == (4, 4, 3, 3)
    assert shapes["last.weight"] == (3, 4, 3, 3)
    assert list(shapes) == list(module.state_dict())

"""Usual sizes are tried where no example inputs were given; where none fits, the error says what to do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from graphmorph.errors import UsageError
from graphmorph.torch_door.guessed_inputs import guessed_inputs
from tests.graphmorph.torch_door.programs import program


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Conv2d(3, 4, 3), (2, 3, 224, 224)),
        (nn.Conv1d(5, 4, 3), (2, 5, 128)),
        (nn.ConvTranspose3d(2, 4, 3), (2, 2, 32, 32, 32)),
        (nn.Linear(7, 2), (2, 7)),
        (nn.Sequential(nn.Flatten(), nn.Linear(7, 2)), (2, 7)),
        (nn.Sequential(nn.BatchNorm2d(6), nn.ReLU()), (2, 6, 32, 32)),
        (nn.Sequential(nn.Conv2d(1, 2, 5), nn.Flatten(), nn.Linear(2 * 24 * 24, 4)), (2, 1, 28, 28)),
        (nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.Flatten(), nn.Linear(2 * 32 * 32, 4)), (2, 3, 32, 32)),
        (
            program(lambda m, x: m.norm(m.linear(x).transpose(1, 2)), linear=nn.Linear(5, 3), norm=nn.BatchNorm1d(3)),
            (2, 16, 5),
        ),
    ],
    ids=str,
)
def test_usual_sizes(module: nn.Module, shape: tuple[int, ...]) -> None:
    (example,) = guessed_inputs(module.eval())
    assert tuple(example.shape) == shape
    assert float(example.std()) > 0
    module(example)


def test_the_type_of_the_weights_and_integers() -> None:
    assert guessed_inputs(nn.Conv2d(3, 4, 3).double().eval())[0].dtype == torch.float64
    assert guessed_inputs(nn.Conv2d(3, 4, 3).bfloat16().eval())[0].dtype == torch.bfloat16
    (tokens,) = guessed_inputs(nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2)).eval())
    assert (tokens.dtype, tuple(tokens.shape)) == (torch.int64, (2, 16))


def test_further_arguments_keep_their_defaults() -> None:
    class Scaled(nn.Linear):
        def forward(self, x: Any, scale: float = 2.0, *more: Any, **options: Any) -> Any:
            return super().forward(x) * scale

    assert tuple(guessed_inputs(Scaled(7, 2).eval())[0].shape) == (2, 7)


def test_the_same_example_each_time_and_no_random_numbers_taken() -> None:
    state = torch.get_rng_state()
    one, other = (guessed_inputs(nn.Linear(7, 2))[0] for _ in range(2))
    assert torch.equal(one, other)
    torch.set_rng_state(state)
    nn.Linear(7, 2)
    after = torch.get_rng_state()
    torch.set_rng_state(state)
    guessed_inputs(nn.Linear(7, 2))
    assert torch.equal(torch.get_rng_state(), after)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Bilinear(3, 4, 2), "Bilinear.forward takes 2 tensors: give example_inputs"),
        (nn.ReLU(), "no usual input size fits ReLU: give example_inputs"),
        (nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(77, 4)), "no usual input size fits Sequential"),
        (program(lambda m, x: m.conv(x["images"]), conv=nn.Conv2d(3, 2, 3)), "no usual input size fits Program"),
    ],
    ids=str,
)
def test_what_cannot_be_guessed(module: nn.Module, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        guessed_inputs(module.eval())

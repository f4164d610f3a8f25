"""What Python has to know while tracing is taken from the example and guarded: never silently wrong."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from graphmorph.errors import TraceError
from graphmorph.torch_door import trace
from tests.graphmorph.torch_door.identity_law import check_identity, same
from tests.graphmorph.torch_door.programs import images, program, rows


class ChecksTypes(nn.Module):
    def forward(self, x: Any) -> Any:
        assert isinstance(x, torch.Tensor)
        assert torch.is_tensor(x)
        assert not isinstance(x, nn.Parameter)
        assert isinstance(x.shape, torch.Size | tuple)
        assert isinstance(x.shape[0], int)
        assert not isinstance(x.shape[0], torch.Tensor)
        assert isinstance(x.chunk(2, 1), tuple | list)
        assert isinstance(3, int)
        assert not isinstance("x", torch.Tensor)
        return x * 2 if isinstance(x, torch.Tensor) else x


def test_isinstance_sees_the_type_of_the_value() -> None:
    again = check_identity(ChecksTypes(), rows())
    same(again(rows()), rows() * 2)
    assert "isinstance" not in globals()


def powers(m: Any, x: Any) -> Any:
    return torch.pow(x, 2) + torch.remainder(x, 2.0) + torch.where(x > 0, x, 0.0) + torch.float_power(x, 2)


def test_compiled_functions_meet_stand_ins() -> None:
    check_identity(program(powers), rows())


def loops(m: Any, x: Any) -> Any:
    columns = [x[:, i] * i for i in range(x.shape[1])]
    halves = [layer(half) for layer, half in zip(m.layers, torch.split(x, [2, 4], 1), strict=True)]
    first, *rest = x.chunk(3, dim=1)
    return torch.stack(columns), halves, first, rest, len(x.shape), len(rest), sum(x.chunk(2, 1))


def test_loops_over_sizes_and_pieces() -> None:
    module = program(loops, layers=nn.ModuleList([nn.Linear(2, 3), nn.Linear(4, 3)]))
    again = check_identity(module, rows())
    same(again(rows(7))[0], module(rows(7))[0])
    with pytest.raises((AssertionError, RuntimeError)):
        again(rows(3, 8))


def test_unpacking_needs_no_guard() -> None:
    def forward(m: Any, x: Any) -> Any:
        batch, channels, *_ = x.shape
        a, b = x.chunk(2, 1)
        return a * b + batch + channels

    again = check_identity(program(forward), images())
    assert not any(node.target is torch._assert for node in again.graph.nodes)


def numbers(m: Any, x: Any) -> Any:
    kept = int(x.size(1) * 0.5)
    return x[:, :kept] / math.sqrt(x.size(-1)) * float(x.size(1)) + m.table[x.shape[1] - 6 : x.shape[1] - 3].sum()


def test_sizes_as_python_numbers_are_guarded() -> None:
    again = check_identity(program(numbers, table=nn.Parameter(rows(9, 1))), rows())
    same(again(rows(7)).detach(), numbers(again, rows(7)).detach())
    with pytest.raises(AssertionError, match=r"test_proxies.py:\d+ in numbers"):
        again(rows(3, 8))


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda m, x: torch.stack([row * 2 for row in x]), "cannot be iterated"),
        (lambda m, x: x * len(x), "length"),
        (lambda m, x: x * int(x.shape[0]), "same for every batch"),
        (lambda m, x: x * float(x.max()), "not known while tracing"),
        (lambda m, x: [x] * x.shape[0] if False else [x for _ in range(x.shape[0])], "same for every batch"),
    ],
    ids=["rows", "len", "int", "float", "range"],
)
def test_what_follows_the_batch_or_the_values_is_refused(function: Any, reason: str) -> None:
    with pytest.raises(TraceError, match=rf"test_proxies.py:\d+.*{reason}.*leaf_modules"):
        trace(program(function), rows())

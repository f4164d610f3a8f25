"""Whatever happens inside, modules are what they were: the same objects in the same order."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from graphmorph.torch_door.restoring import restored
from tests.graphmorph.torch_door.identity_law import unchanged


class Holder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.second = nn.LSTM(2, 2)
        self.register_buffer("buffer", torch.ones(2))
        self.items: list[Any] = [torch.ones(1), 2]
        self.table: dict[Any, Any] = {"a": torch.ones(1), (1, 2): 3}
        self.names = {"x", "y"}
        self.number = 1


def disturb(module: Holder) -> None:
    module.first = nn.Identity()
    module.buffer = torch.zeros(3)
    module.second.weight_hh_l0 = nn.Parameter(torch.zeros(8, 2))
    module.items.append(5)
    module.items[0] = None
    module.table.clear()
    module.names.add("z")
    module.number = 2
    module.fresh = torch.ones(2)
    del module.__dict__["training"]
    module.register_forward_hook(lambda *arguments: None)


def test_everything_is_put_back() -> None:
    module = Holder()
    with unchanged(module), restored(module):
        disturb(module)
    assert module.names == {"x", "y"}
    assert list(module.state_dict())[:2] == ["buffer", "first.weight"]


def test_after_an_error_too() -> None:
    module = Holder()
    with unchanged(module), pytest.raises(AttributeError, match="nothing"), restored(module):
        module.number = module.nothing


def test_values_are_not_looked_at() -> None:
    """What is written into a tensor is the tensor's own affair."""
    module = Holder()
    with restored(module):
        module.buffer.add_(1)
    assert module.buffer.tolist() == [2, 2]

"""Small modules in one line: a forward and its parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Program(nn.Module):
    """Calls a function on itself and its input; `parts` are its modules, parameters and plain attributes."""

    def __init__(self, function: Callable[[Any, Any], Any], **parts: Any) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Any) -> Any:
        return self.function(self, x)


def program(function: Callable[[Any, Any], Any], **parts: Any) -> Program:
    """A module whose forward is `function(module, x)`, in evaluation mode."""
    module = Program(function, **parts)
    module.eval()
    return module


def images(batch: int = 3, channels: int = 4, size: int = 8, seed: int = 0) -> torch.Tensor:
    """(batch, channels, size, size)"""
    return torch.randn(batch, channels, size, size, generator=torch.Generator().manual_seed(seed))


def rows(batch: int = 3, width: int = 6, seed: int = 0) -> torch.Tensor:
    """(batch, width)"""
    return torch.randn(batch, width, generator=torch.Generator().manual_seed(seed))


class SmallNet(nn.Module):
    """Conv, BN, in-place ReLU, Dropout, pooling and a head in nested containers; its class can be pickled."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(
            nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8, eps=1e-3, momentum=0.3), nn.ReLU(True), nn.MaxPool2d(2)
        )
        self.second = nn.Conv2d(8, 4, 3, padding=1)
        self.drop = nn.Dropout(0.5)
        self.head = nn.ModuleDict({"fc": nn.Linear(4, 3)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.second(self.features(x)).mean((2, 3))
        y: torch.Tensor = self.head["fc"](self.drop(x.view(x.size(0), -1)))
        return y

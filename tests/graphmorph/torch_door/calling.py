"""Modules that call one function: how tests lower functions and methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from graphmorph.graph import Graph
from graphmorph.torch_door import trace
from tests.graphmorph.torch_door.lowering_check import check_lowering, opaque_reasons


class _Calling(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function


class _One(_Calling):
    def forward(self, x: Any) -> Any:
        return self.function(x)


class _Two(_Calling):
    def forward(self, x: Any, y: Any) -> Any:
        return self.function(x, y)


class _Three(_Calling):
    def forward(self, x: Any, y: Any, z: Any) -> Any:
        return self.function(x, y, z)


def calling(function: Callable[..., Any], count: int = 1) -> nn.Module:
    """A module that calls a function, or a layer, of one to three tensors."""
    return {1: _One, 2: _Two, 3: _Three}[count](function)


def check_call(function: Callable[..., Any], *inputs: torch.Tensor, **options: Any) -> Graph:
    """`check_lowering` of a function or a layer."""
    return check_lowering(calling(function, len(inputs)), *inputs, **options)


def refused(function: Callable[..., Any], *inputs: torch.Tensor, training: bool = False) -> str:
    """Why the call of a function or a layer is not lowered; empty if it is."""
    return "; ".join(opaque_reasons(trace(calling(function, len(inputs)).train(training), inputs)))


def operators(graph: Graph) -> list[str]:
    """Operators of a graph, in order; the Identity that makes an output is left out."""
    return [node.op for node in graph.nodes if node.op != "Identity"]


def specialised(graph: Graph) -> bool:
    """Whether a lowering says that it holds for the traced sizes only."""
    return bool(graph.traced.specialised)

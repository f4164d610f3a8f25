"""Functions given to torch.fx.wrap: one node each, or traced through where that is asked for and can be done."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

import graphmorph
from graphmorph.torch_door import materialise, trace
from graphmorph.torch_door.record import DOMAIN
from tests.graphmorph.torch_door.programs import images, program


def branching(x: Tensor, weight: Tensor) -> Tensor:
    if x.shape[2] > 4:
        x = x.relu()
    return nn.functional.conv2d(x, weight)


def depending_on_values(x: Tensor, weight: Tensor) -> Tensor:
    return nn.functional.conv2d(x, weight) if x.sum() > 0 else x[:, :2]


def drawing(x: Tensor, weight: Tensor) -> Tensor:
    return nn.functional.conv2d(x, weight) + torch.rand(1)


def several(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    return nn.functional.conv2d(x, weight), x


fx.wrap("branching")
fx.wrap("depending_on_values")
fx.wrap("drawing")
fx.wrap("several")


def module(forward: Any) -> nn.Module:
    torch.manual_seed(0)
    return program(forward, first=nn.Conv2d(4, 8, 1), last=nn.Conv2d(8, 2, 1, bias=False))


def opaque(graph: Any) -> list[str]:
    return [str(node.attrs["target"]) for node in graph.nodes if node.domain == DOMAIN]


def test_it_is_one_node_unless_asked_for() -> None:
    traced = module(lambda m, x: branching(m.first(x), m.last.weight))
    assert opaque(trace(traced, images())) == ["branching"]
    graph = trace(traced, images(), through_wrapped=True)
    assert [node.op for node in graph.nodes] == ["Conv", "Relu", "Conv"]
    again = materialise(graph)
    assert torch.equal(again(images(1)), traced(images(1)))
    with pytest.raises(AssertionError, match="branching"):
        again(images(size=3))


@pytest.mark.parametrize("function", [depending_on_values, drawing])
def test_what_cannot_be_traced_stays_one_node(function: Any) -> None:
    name = function.__name__
    traced = module(lambda m, x: globals()[name](m.first(x), m.last.weight))
    graph = trace(traced, images(), through_wrapped=True)
    assert opaque(graph) == [name]
    torch.manual_seed(1)
    expected = traced(images())
    torch.manual_seed(1)
    assert torch.equal(materialise(graph)(images()), expected)


def test_several_results_stay_one_node() -> None:
    traced = module(lambda m, x: several(m.first(x), m.last.weight)[0])
    assert opaque(trace(traced, images(), through_wrapped=True)) == ["several"]


def test_pruning_looks_into_them() -> None:
    traced = module(lambda m, x: branching(m.first(x), m.last.weight))
    made = graphmorph.prune(traced, images(), ratio=0.5, round_to=1)
    assert made.report.removal.verdict == "equal"
    assert {name: tuple(t.shape) for name, t in made.state_dict().items()} == {
        "first.weight": (4, 4, 1, 1),
        "first.bias": (4,),
        "last.weight": (2, 4, 1, 1),
    }

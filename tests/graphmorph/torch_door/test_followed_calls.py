"""Calls that follow their parameters: recognised without being lowered, and only where nothing else was edited."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import graphmorph
from graphmorph.graph import Graph
from graphmorph.torch_door import resized_sites
from tests.graphmorph.torch_door.cutting import check_cut, take
from tests.graphmorph.torch_door.edits import nodes_of
from tests.graphmorph.torch_door.programs import images, program

KEPT = [0, 2, 3, 7]


class Functional(nn.Module):
    """Layers as functions on parameters of the module's own, as many libraries write them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.weight = nn.Parameter(torch.randn(8, 4, 3, 3))
        self.depthwise = nn.Parameter(torch.randn(8, 1, 3, 3))
        self.scale, self.shift = nn.Parameter(torch.rand(8) + 0.5), nn.Parameter(torch.randn(8))
        self.register_buffer("mean", torch.randn(8))
        self.register_buffer("var", torch.rand(8) + 0.5)
        self.gain = nn.Parameter(torch.rand(8) + 0.5)
        self.head = nn.Parameter(torch.randn(5, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.conv2d(x, self.weight, padding=1)
        y = F.batch_norm(y, self.mean, self.var, self.scale, self.shift)
        y = F.conv2d(y, self.depthwise, groups=8)
        y = F.layer_norm(y.mean((2, 3)), (8,), self.gain)
        return F.linear(y, self.head)


def test_functions_keep_their_place_and_are_not_lowered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lowered: list[object] = []
    original = resized_sites.lowered_again

    def counted(values: object, site: object, call: object, *rest: object) -> object:
        lowered.append(call)
        return original(values, site, call, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(resized_sites, "lowered_again", counted)
    result = graphmorph.prune(Functional().eval(), images(), ratio=0.5, round_to=1)
    assert result.report.removal.verdict == "equal"
    targets = [node.target for node in result.graph.nodes if node.op == "call_function"]
    assert targets == [F.conv2d, F.batch_norm, F.conv2d, F.layer_norm, F.linear]
    assert [node.kwargs.get("groups") for node in result.graph.nodes if node.target is F.conv2d][1] == 4
    assert not lowered


def normalised(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """A convolution of which half of the channels are cut, normalised by a function."""
    y = F.batch_norm(m.first(x), m.mean, m.var, m.scale, m.shift)  # type: ignore[operator]
    return m.last(y)  # type: ignore[operator, no-any-return]


@pytest.mark.parametrize("edited", [False, True])
def test_an_edited_attribute_is_not_followed(edited: bool) -> None:
    torch.manual_seed(0)
    module = program(normalised, first=nn.Conv2d(4, 8, 3), last=nn.Conv2d(8, 3, 1)).eval()
    module.scale, module.shift = nn.Parameter(torch.rand(8) + 0.5), nn.Parameter(torch.randn(8))
    module.register_buffer("mean", torch.randn(8))
    module.register_buffer("var", torch.rand(8) + 0.5)

    def cut(graph: Graph) -> None:
        take(graph, "first", 1, 0, KEPT)
        take(graph, "first", 2, 0, KEPT)
        norm = nodes_of(graph, "BatchNormalization")[0]
        for index in range(1, 5):
            take(graph, norm.name, index, 0, KEPT)
        norm.attrs = {**norm.attrs, **({"epsilon": 0.5} if edited else {})}
        take(graph, "last", 1, 1, KEPT)

    again = check_cut(module, cut, (images(),), names=False)  # held against the graph in onnxruntime
    assert any(node.target is F.batch_norm for node in again.graph.nodes) == (not edited)

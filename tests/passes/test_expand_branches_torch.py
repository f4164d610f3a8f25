"""expand-branches on live modules: the blocks train, what was one parameter stays one, and fusing takes them back."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphmorph.manager import PassManager
from graphmorph.passes.expand_branches import ExpandBranches
from graphmorph.pipeline import passes_for
from graphmorph.rewrite import Rewrite
from graphmorph.runtime import Runtime
from graphmorph.torch_door import materialise, trace

X = torch.randn(4, 3, 12, 12, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A layer with BN, one that is called twice, and one without BN whose padding is below its kernel's half."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.twice, self.twice_norm = nn.Conv2d(6, 6, 3, padding=1, groups=2, bias=False), nn.BatchNorm2d(6)
        self.last = nn.Conv2d(6, 5, 5, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem_norm(self.stem(x)).relu()
        for _ in range(2):
            x = self.twice_norm(self.twice(x)).relu()
        y: Tensor = self.last(x).mean((2, 3))
        return y


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    net = Net()
    for norm in (net.stem_norm, net.twice_norm):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        norm(torch.randn(8, 6, 5, 5))
    return net


def rewritten(module: nn.Module, runtime: Runtime, *rewrites: Rewrite) -> nn.Module:
    graph = trace(copy.deepcopy(module), (X,))
    PassManager(rewrites, runtime=runtime).run(graph)
    return materialise(graph)


def counted(module: nn.Module) -> tuple[int, int]:
    kinds = [type(child) for child in module.modules()]
    return kinds.count(nn.Conv2d), kinds.count(nn.BatchNorm2d)


BLOCKS: list[tuple[dict[str, Any], tuple[int, int]]] = [
    ({}, (9, 9)),
    ({"shifted": True, "normalise": "none"}, (9, 2)),
    ({"normalise": "sum", "vertical": False}, (6, 3)),
    ({"block": "repvgg"}, (6, 7)),
    ({"block": "mobileone"}, (12, 13)),
]


@pytest.mark.parametrize(("options", "made"), BLOCKS)
@pytest.mark.parametrize("training", [False, True])
def test_outputs_at_inference_stay_and_every_branch_trains(
    net: Net, runtime: Runtime, options: dict[str, Any], made: tuple[int, int], training: bool
) -> None:
    blocks = rewritten(net.train(training), runtime, ExpandBranches(**options))
    assert counted(blocks) == made
    with torch.no_grad():
        torch.testing.assert_close(blocks.eval()(X), net.eval()(X))
    blocks.train()(X).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in blocks.parameters())
    fused = rewritten(blocks.eval(), runtime, *passes_for())
    assert counted(fused) == (3, 0)
    with torch.no_grad():
        torch.testing.assert_close(fused(X), blocks(X))


def test_branches_of_a_module_that_is_called_twice_are_called_twice(net: Net, runtime: Runtime) -> None:
    blocks = rewritten(net.eval(), runtime, ExpandBranches())
    names = [name for name, child in blocks.named_modules() if isinstance(child, nn.Conv2d) and "twice" in name]
    assert names == ["twice", "twice_horizontal", "twice_vertical"]


@pytest.mark.parametrize("training", [False, True])
def test_fresh_branches_leave_the_layers_parameters_in_place(net: Net, runtime: Runtime, training: bool) -> None:
    original = copy.deepcopy(net).train(training)
    graph = trace(original, (X,))
    PassManager([ExpandBranches(init="fresh")], runtime=runtime).run(graph)
    blocks = materialise(graph)
    kept = {id(parameter) for parameter in blocks.parameters()}
    assert {id(parameter) for parameter in original.parameters()} <= kept
    assert len(list(blocks.parameters())) == len(kept)
    assert counted(blocks) == (9, 9)
    blocks.train()(X)
    statistics = [buffer for name, buffer in blocks.named_buffers() if name.endswith("vertical_norm.running_mean")]
    assert len(statistics) == 3
    assert all(buffer.any() for buffer in statistics)

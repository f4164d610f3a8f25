"""The masked graph of a traced module becomes a module, which computes what the graph does."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphmorph.channels.analysis import Analysis, analyse
from graphmorph.channels.masking import masked
from graphmorph.channels.probing import probe_sizes
from graphmorph.facts import Facts
from graphmorph.oracle import TracedShapes
from graphmorph.runtime import Runtime
from graphmorph.torch_door import materialise, trace
from tests.graphmorph.channels.against_masked import random_subset, tensors_of


class Gated(nn.Module):
    """Convolutions, a squeeze-and-excitation gate with its mean and a maximum over channels beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.squeeze, self.excite = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.last = nn.Conv2d(8, 5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sigmoid(self.norm(self.first(x)))
        gate = torch.sigmoid(self.excite(functional.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))
        return self.last(x * gate * x.amax(1, keepdim=True) + x.mean(1, keepdim=True))


class Block(nn.Module):
    """Attention and a network behind it, both after a normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(3, 8)
        self.first, self.attention = nn.LayerNorm(8), nn.MultiheadAttention(8, 2, batch_first=True)
        self.second, self.wide, self.narrow = nn.LayerNorm(8), nn.Linear(8, 12), nn.Linear(12, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        y = self.first(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        x = x + self.narrow(functional.gelu(self.wide(self.second(x))))
        return self.head(x).mean(1)


MODULES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "gated": (Gated(), (2, 3, 8, 8)),
    "block": (Block(), (2, 5, 3)),
    "group norm": (
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(2, 8), nn.SiLU(), nn.Conv2d(8, 8, 3, groups=4), nn.Flatten(),
                      nn.Linear(72, 4)),
        (2, 3, 5, 5),
    ),
    "recurrent-free sequence": (
        nn.Sequential(nn.Conv1d(3, 8, 3), nn.InstanceNorm1d(8, affine=True), nn.ConvTranspose1d(8, 4, 2)),
        (2, 3, 9),
    ),
}  # fmt: skip


def analysed(module: nn.Module, x: Tensor, runtime: Runtime) -> Analysis:
    graph = trace(module, (x,))
    facts = Facts(graph, TracedShapes(graph))
    return analyse(facts, probe_sizes(graph, facts, runtime))


@pytest.mark.parametrize("name", MODULES)
def test_the_module_of_a_masked_graph(name: str, runtime: Runtime) -> None:
    torch.manual_seed(0)
    module, shape = MODULES[name]
    module = copy.deepcopy(module).eval()
    x = torch.randn(shape)
    analysis = analysed(module, x, runtime)
    oracle = masked(analysis, random_subset(analysis, 1))
    output = oracle.outputs[0].name
    wanted = tensors_of(oracle, runtime, {oracle.inputs[0].name: x.numpy()}, [output])[output]
    with torch.no_grad():
        again, original = materialise(oracle)(x), module(x)
    np.testing.assert_allclose(again.numpy(), wanted, rtol=1e-4, atol=1e-5)
    assert float((original - again).abs().max()) > 1e-2 * float(original.abs().max())

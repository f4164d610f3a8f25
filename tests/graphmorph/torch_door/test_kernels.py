"""The kernels of live modules: the same numbers as those of the exported model, and pruned copies that run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import graphmorph
from graphmorph.errors import UsageError
from graphmorph.kernels.positions import position_mask
from graphmorph.torch_door import materialise, trace
from tests.passes.text_models import build


class Tied(nn.Module):
    """Two convolutions with one weight, and the kernels that do not count."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(4, 4, 3, padding=1, dtype=dtype)
        self.second = nn.Conv2d(4, 4, 3, padding=1, dtype=dtype)
        self.second.weight = self.first.weight
        self.large = nn.Conv2d(4, 4, 5, padding=2, groups=2, dtype=dtype)
        self.point = nn.Conv2d(4, 4, 1, dtype=dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.point(self.large(self.second(self.first(x).relu()).relu()))
        return y


def test_the_numbers_are_those_of_the_graph() -> None:
    module = Tied()
    one, five, point = (layer.weight.detach().numpy() for layer in (module.first, module.large, module.point))
    graph = build(
        """g (float[N,4,8,8] x) => (float[N,4,8,8] y) {
            a = Conv<pads=[1,1,1,1]>(x, one)
            b = Relu(a)
            c = Conv<pads=[1,1,1,1]>(b, one)
            d = Relu(c)
            e = Conv<pads=[2,2,2,2], group=2>(d, five)
            y = Conv(e, point)
        }""",
        {"one": one, "five": five, "point": point},
    )
    ours = graphmorph.inspect_kernels(module)
    theirs = graphmorph.inspect_kernels(graph, skip=["fuse-branches", "fold-batchnorm"])
    for mine, other in zip(ours.sizes, theirs.sizes, strict=True):
        np.testing.assert_array_equal(mine.matrix, other.matrix)
        assert [layer.shape for layer in mine.layers] == [layer.shape for layer in other.layers]
    assert {refusal.node: refusal.reason for refusal in ours.skipped} == {
        "second": "its kernel is that of first, where it is counted",
        "point": "its 1 x 1 kernel has one position",
    }


def test_batch_normalizations_are_pointed_out() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    assert graphmorph.inspect_kernels(module).notes == [
        "batch normalizations that scale kernels and are not in the numbers: 1; fuse the module first"
    ]
    with pytest.raises(UsageError, match="fuse it first, with these options"):
        graphmorph.inspect_kernels(module, keep=["*"])


def test_a_computed_weight_is_left_alone() -> None:
    module = nn.Sequential(parametrizations.weight_norm(nn.Conv2d(1, 2, 3)))
    reasons = [refusal.reason for refusal in graphmorph.inspect_kernels(module).skipped]
    assert reasons == ["its weight is computed by a parametrisation: remove that first"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_pruned_copy(dtype: torch.dtype) -> None:
    module = Tied(dtype)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    result = graphmorph.prune_positions(module, "corner", 0.4, seed=2)
    pruned = result.model
    assert isinstance(pruned, Tied)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert pruned.second.weight is pruned.first.weight
    assert isinstance(pruned.first.weight, nn.Parameter)
    for name, now in pruned.state_dict().items():
        gone = (now == 0) & (before[name] != 0)
        assert torch.equal(now[~gone], before[name][~gone])
        if name in ("first.weight", "second.weight", "large.weight"):
            assert int(gone.sum()) == round(0.4 * now.numel())
            assert not gone[:, :, torch.from_numpy(position_mask("skeleton", now.shape[-1]))].any()
        else:
            assert not gone.any()
    assert pruned(torch.ones(1, 4, 8, 8, dtype=dtype)).isfinite().all()


def test_module_and_graph_are_pruned_alike() -> None:
    module = nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.ReLU(), nn.Conv2d(4, 4, 5, bias=False))
    weights = {f"w{i}": module[i].weight.detach().numpy().copy() for i in (0, 2)}
    graph = build("g (float[N,2,9,9] x) => (float[N,4,3,3] y) { a = Conv(x, w0) b = Relu(a) y = Conv(b, w2) }", weights)
    pruned = graphmorph.prune_positions(module, "global", 0.3, seed=5).model
    other = graphmorph.prune_positions(graph, "global", 0.3, seed=5).model
    assert isinstance(pruned, nn.Module)
    theirs = {t.name: t.values for t in other.tensors().values() if t.name in weights}
    for name, value in pruned.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), theirs[f"w{name[0]}"])


def test_a_module_is_not_written() -> None:
    with pytest.raises(UsageError, match="is returned, not written"):
        graphmorph.prune_positions(nn.Sequential(), "corner", 0.1, output="pruned.onnx")


def test_pruned_traced_graphs_become_modules_again() -> None:
    module = Tied().eval()
    graph = trace(module, (torch.zeros(2, 4, 8, 8),))
    pruned = materialise(graphmorph.prune_positions(graph, "corner", 0.4, seed=2).model)
    alone = graphmorph.prune_positions(module, "corner", 0.4, seed=2).model
    x = torch.randn(2, 4, 8, 8)
    assert list(pruned.state_dict()) == list(module.state_dict())
    assert torch.equal(pruned(x), alone(x))
    assert isinstance(pruned.first.weight, nn.Parameter)
    assert pruned.first.weight is pruned.second.weight

"""`graphmorph.prune(exact=True)`: files and modules lose what changes nothing, in evaluation and in training mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import graphmorph
from graphmorph.errors import UsageError
from graphmorph.pipeline import FuseResult
from graphmorph.torch_door.morphed_module import MorphedModule
from graphmorph.training import carry_optimizer
from tests.graphmorph.training.dead_net import DeadNet, batch
from tests.passes.text_models import build, weights_of

SHAPES = {"w": (6, 3, 3, 3), "b": (6,), "v": (4, 6, 3, 3), "c": (4,)}
TEXT = """g (float[N,3,8,8] x) => (float[N,4,4,4] y) {
    a = Conv(x, w, b)
    r = Relu(a)
    y = Conv(r, v, c)
}"""


def test_a_file_loses_what_changes_nothing(tmp_path: Path) -> None:
    weights = weights_of(SHAPES)
    weights["v"][:, 1] = 0
    result = graphmorph.prune(build(TEXT, weights), tmp_path / "small.onnx", exact=True)
    assert isinstance(result, FuseResult)
    assert result.ok
    assert {one.name: tuple(one.dims) for one in onnx.load(tmp_path / "small.onnx").graph.initializer}["w"][0] == 5


class Net(nn.Module):
    """Without biases, but for those of its normalisations and of one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.norm = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.second, self.other = nn.Conv2d(16, 12, 1, bias=False), nn.BatchNorm2d(12)
        self.head = nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.second(self.norm(self.first(x.sigmoid())).relu())
        y: torch.Tensor = self.head(self.other(x).relu().mean((2, 3)))
        return y


def net() -> Net:
    """Channel 1 is constant, 5 is zero behind its ReLU, 7 is 8, nobody reads 2; 3 of the second layer is constant."""
    module = Net()
    with torch.no_grad():
        module.first.weight[[1, 5]] = 0
        module.norm.bias[[1, 5]] = torch.tensor([0.3, -0.3])
        module.first.weight[7] = module.first.weight[8]
        module.second.weight[:, 2] = 0
        module.second.weight[3] = 0
        module.other.bias[3] = 0.7
    return module.eval()


def sizes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("by", ["prune", "fuse"])
def test_layers_come_back_smaller_at_their_paths(by: str) -> None:
    module, x = net(), torch.randn(2, 3, 8, 8)
    made = (
        graphmorph.prune(module, x, exact=True)
        if by == "prune"
        else graphmorph.fuse(module, x, only=("remove-channels",))
    )
    assert isinstance(made, MorphedModule)
    assert made.report.proof.verdict == "equal"
    assert list(made.state_dict()) == list(module.state_dict())
    assert sizes(made)["second.weight"] == (11, 12, 1, 1)
    assert sizes(made)["head.weight"] == (5, 11)
    assert not made.training
    torch.testing.assert_close(made(x), module(x))


def test_an_optimizer_moves_along() -> None:
    module, x = net(), torch.randn(2, 3, 8, 8)
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    module(x).square().sum().backward()
    optimizer.step()
    with torch.no_grad():
        module.second.weight[:, 2] = 0
    made = graphmorph.prune(module, x, exact=True)
    carry_optimizer(optimizer, module, made)
    made(x).square().sum().backward()
    optimizer.step()
    weight = made.get_parameter("first.weight")
    assert optimizer.state[weight]["exp_avg"].shape == weight.shape == (14, 3, 3, 3)


def test_a_module_in_training_mode_stays_in_it_and_computes_the_same() -> None:
    module, x = DeadNet(), batch(1)[0]
    made = graphmorph.prune(module, x, exact=True)
    assert made.training
    assert list(made.state_dict()) == list(module.state_dict())
    assert sizes(made)["body.3.weight"] == (5, 6, 3, 3)
    np.testing.assert_allclose(made(x).detach(), module(x).detach(), rtol=1e-12)
    np.testing.assert_allclose(made.eval()(x).detach(), module.eval()(x).detach(), rtol=1e-12)


def test_signs_do_not_hold_where_statistics_are_those_of_the_batch() -> None:
    """In evaluation mode channel 5 is zero behind its ReLU; less the mean of a batch it is not."""
    module, x = net(), torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        module.first.weight[5] = -1
    assert sizes(graphmorph.prune(module, x, exact=True))["first.weight"] == (12, 3, 3, 3)
    training = graphmorph.prune(module.train(), x, exact=True)
    assert sizes(training)["first.weight"] == (14, 3, 3, 3)
    torch.testing.assert_close(training(x), module(x))


@pytest.mark.parametrize("amount", [{"ratio": 0.5}, {"target_macs": 0.5}, {"max_error": 0.1}])
def test_exact_is_not_a_matter_of_how_much(amount: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="exact removes all that changes nothing"):
        graphmorph.prune(build(TEXT, SHAPES), exact=True, **amount)

"""Live modules gain and lose channels: their classes stay, and an optimizer goes on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import graphmorph
from graphmorph.training import carry_optimizer


class Net(nn.Module):
    """A residual block and a head behind a flattened image."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.block = nn.Sequential(
            nn.Conv2d(4, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 1)
        )
        self.head = nn.Linear(4 * 16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        flat: torch.Tensor = self.head(torch.flatten(x + self.block(x), 1))
        return flat


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    made = Net()
    for one in made.modules():
        if isinstance(one, nn.BatchNorm2d):
            nn.init.uniform_(one.weight, 0.5, 2.0)
            nn.init.normal_(one.bias)
    return made


X = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))


def loss(module: nn.Module) -> torch.Tensor:
    found: torch.Tensor = module(X).square().mean()
    return found


def test_a_wider_module_trains_on_with_its_optimizer(net: Net) -> None:
    net.eval()
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    loss(net).backward()
    optimizer.step()
    before = loss(net).item()
    wider = graphmorph.widen(net, X, masters={"stem.0": [1], "block.0": [0, 0]})
    assert wider.report.proof.verdict == "equal"
    block = wider.get_submodule("block")
    assert [type(one).__name__ for one in block.children()] == ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d"]
    assert wider.get_parameter("block.0.weight").shape == (8, 5, 3, 3)
    assert wider.get_parameter("head.weight").shape == (5, 5 * 16)
    moment = optimizer.state[net.block[0].weight]["exp_avg"].clone()
    carry_optimizer(optimizer, net, wider)
    moved = optimizer.state[wider.get_parameter("block.0.weight")]["exp_avg"]
    torch.testing.assert_close(moved, moment[[0, 0, 0, 1, 2, 3, 4, 5]][:, [0, 1, 1, 2, 3]])
    assert loss(wider).item() == pytest.approx(before, rel=1e-5)
    optimizer.zero_grad()
    loss(wider).backward()
    old = wider.get_parameter("block.0.weight").detach().clone()
    optimizer.step()
    assert (wider.get_parameter("block.0.weight") != old).any()


def test_state_of_new_filters_begins_at_zero(net: Net) -> None:
    net.eval()
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    loss(net).backward()
    optimizer.step()
    moment = optimizer.state[net.stem[0].weight]["exp_avg"].clone()
    wider = graphmorph.widen(net, X, masters={"stem.0": [1]}, correlation="rotation")
    assert wider.report.proof.verdict == "equal"
    carry_optimizer(optimizer, net, wider)
    moved = optimizer.state[wider.get_parameter("stem.0.weight")]["exp_avg"]
    torch.testing.assert_close(moved[[0, 1, 3, 4]], moment)
    assert not moved[2].any()
    assert not optimizer.state[wider.get_parameter("block.0.weight")]["exp_avg"][:, 2].any()
    assert moment.any()


def test_equal_channels_of_a_module_are_merged(net: Net) -> None:
    wider = graphmorph.widen(net.eval(), X, masters={"block.0": [2]})
    data = [torch.randn(8, 3, 4, 4) for _ in range(3)]
    merged = graphmorph.merge_channels(wider, X, calibration=data, threshold=0.9999, groups=["block.0"])
    (site,) = merged.report.rewrites
    assert site.summary == "merge 1 pairs of units in 1 groups of channels: block.0: 3 into 2 (1.000)"
    assert merged.report.proof.verdict == "equal"
    torch.testing.assert_close(merged.get_parameter("block.0.weight"), net.get_parameter("block.0.weight"))
    torch.testing.assert_close(merged.get_parameter("block.3.weight"), net.get_parameter("block.3.weight"))


def test_a_module_in_training_mode_stays_in_it(net: Net) -> None:
    wider = graphmorph.widen(net.train(), X, count=1)
    assert wider.training
    assert wider.get_submodule("block.1").training
    assert net.block[0].weight.shape == (6, 4, 3, 3)

"""`graphmorph.prune` on live modules."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

import graphmorph
from graphmorph.errors import UsageError
from graphmorph.training import carry_optimizer
from tests.graphmorph.pruning.small_models import Residual, images, residual_module

EXAMPLE = torch.zeros(2, 3, 8, 8)


def test_layers_come_back_smaller_at_their_paths() -> None:
    module = residual_module()
    made = graphmorph.prune(module, EXAMPLE, ratio=0.5, round_to=1)
    assert list(made.state_dict()) == list(module.state_dict())
    assert made.report.removal.verdict == "equal"
    inner = made.get_submodule("inner")
    assert (inner.in_channels, inner.out_channels) == (8, 12)
    assert made.get_submodule("norm").num_features == 12
    assert made.get_submodule("head").in_features == 8
    assert not made.training
    assert made(torch.randn(5, 3, 11, 9)).shape == (5, 5)


def test_the_original_is_untouched() -> None:
    module = residual_module()
    before = copy.deepcopy(module.state_dict())
    graphmorph.prune(module, EXAMPLE, ratio=0.5, round_to=1)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_a_plan_of_the_exported_file_replays_on_the_module(tmp_path: Path) -> None:
    """The file has its normalisations folded and other names; what goes is the same."""
    module = residual_module()
    path = tmp_path / "model.onnx"
    graphmorph.export(module, path, EXAMPLE)
    of_file = graphmorph.prune(path, tmp_path / "small.onnx", ratio=0.5, round_to=1, latency=False)
    made = graphmorph.prune(module, EXAMPLE, plan=of_file.plan)
    again = tmp_path / "again.onnx"
    graphmorph.export(made, again, EXAMPLE)
    assert graphmorph.verify(tmp_path / "small.onnx", again).verdict == "equal"


def test_a_plan_of_the_module_replays_on_the_file(tmp_path: Path) -> None:
    module = residual_module()
    path = tmp_path / "model.onnx"
    graphmorph.export(module, path, EXAMPLE)
    made = graphmorph.prune(module, EXAMPLE, ratio=0.25, round_to=1, criterion="random")
    made.plan.save(tmp_path / "plan.json")
    of_file = graphmorph.prune(path, tmp_path / "small.onnx", plan=tmp_path / "plan.json", latency=False)
    assert of_file.ok
    graphmorph.export(made, tmp_path / "again.onnx", EXAMPLE)
    assert graphmorph.verify(tmp_path / "small.onnx", tmp_path / "again.onnx").verdict == "equal"


def test_it_trains_on_with_its_optimizer() -> None:
    module = Residual().train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
    x, y = torch.tensor(images(32)), torch.arange(32) % 5
    _step(module, optimizer, x, y)
    made = graphmorph.prune(module, EXAMPLE, ratio=0.5, round_to=1)
    carry_optimizer(optimizer, module, made)
    assert made.training
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in made.parameters()}
    first = _step(made, optimizer, x, y)
    for _ in range(10):
        last = _step(made, optimizer, x, y)
    assert last < first


def _step(module: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor) -> float:
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(module(x), y)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


@pytest.mark.parametrize("criterion", ["mean-activation", "apoz", "reconstruction"])
def test_activations_are_captured_in_torch(criterion: str) -> None:
    data = {"x": images(32)}
    made = graphmorph.prune(residual_module(), EXAMPLE, ratio=0.5, round_to=1, criterion=criterion, calibration=data)
    assert made.report.removal.verdict == "equal"


def test_repair_brings_the_outputs_nearer() -> None:
    module = residual_module()
    x = torch.tensor(images(64, seed=9))
    with torch.no_grad():
        expected = module(x)
        plain = graphmorph.prune(module, EXAMPLE, ratio=0.5, round_to=1)(x)
        data = {"x": images(256)}
        repaired = graphmorph.prune(module, EXAMPLE, ratio=0.5, round_to=1, calibration=data, repair=True)(x)
    assert (repaired - expected).norm() < 0.8 * (plain - expected).norm()


def test_the_result_copies_and_pickles() -> None:
    made = graphmorph.prune(residual_module(), EXAMPLE, ratio=0.5, round_to=1)
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        expected = made(x)
        assert torch.equal(copy.deepcopy(made)(x), expected)
        assert torch.equal(pickle.loads(pickle.dumps(made))(x), expected)


def test_options_of_files_are_refused() -> None:
    with pytest.raises(UsageError, match="shapes: for ONNX files only"):
        graphmorph.prune(residual_module(), EXAMPLE, ratio=0.5, shapes={"x": (1, 3, 8, 8)})
    with pytest.raises(UsageError, match="pruned in memory"):
        graphmorph.prune(residual_module(), "out.onnx", ratio=0.5)

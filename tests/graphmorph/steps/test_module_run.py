"""A pipeline on a live module: what the functions make one after the other, and the original untouched."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import graphmorph
from graphmorph.errors import RefusedError, UsageError, VerificationError
from tests.graphmorph.steps.pipeline_models import TWO_STEPS, Steps
from tests.graphmorph.steps.wrong_steps import LargeBias
from tests.graphmorph.wrong_passes import install

X = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
THREE_STEPS: Steps = [*TWO_STEPS, {"run": "widen", "fraction": 0.5}]


@pytest.fixture
def net() -> nn.Sequential:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(16)
    nn.init.uniform_(norm.weight, 0.5, 2.0)
    nn.init.normal_(norm.bias)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3), norm, nn.ReLU(), nn.Conv2d(16, 24, 3), nn.ReLU(), nn.Flatten(), nn.Linear(384, 10)
    ).eval()


def test_steps_give_what_the_functions_give_one_after_the_other(net: nn.Sequential) -> None:
    before = copy.deepcopy(net.state_dict())
    made = graphmorph.run_pipeline(net, THREE_STEPS, example_inputs=X)
    other = graphmorph.widen(graphmorph.prune(graphmorph.fuse(net, X), X, ratio=0.5, latency=False), X, fraction=0.5)
    assert made.state_dict().keys() == other.state_dict().keys()
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in made.state_dict().items())
    assert torch.equal(made(X), other(X))
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    report: Any = made.report
    assert [step.verdict for step in report.steps] == ["equal", "equal to the mask", "equal"]
    assert (report.model, report.whole.verdict) == ("Sequential", "different")
    assert report.after.parameters < report.before.parameters


def test_exact_steps_make_an_exact_whole_and_it_trains(net: nn.Sequential) -> None:
    made = graphmorph.run_pipeline(net, [{"run": "fuse"}, {"run": "expand"}], example_inputs=X)
    report: Any = made.report
    assert report.whole.verdict == "equal"
    assert any(isinstance(one, nn.BatchNorm2d) for one in made.modules())
    made.train()(X).sum().backward()
    assert all(parameter.grad is not None for parameter in made.parameters())


def test_example_inputs_may_be_guessed_and_calibration_be_data_in_memory() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)).eval()
    steps: Steps = [{"run": "fuse"}, {"run": "merge", "calibration": [torch.randn(2, 3, 16, 16)]}]
    report: Any = graphmorph.run_pipeline(net, steps).report
    assert [step.run for step in report.steps] == ["fuse", "merge"]
    assert report.to_json()["steps"][1]["asked"] == {"calibration": ["Tensor"]}


def test_a_step_that_fails_says_which_it_was(net: nn.Sequential) -> None:
    with pytest.raises(RefusedError, match=r"^step 2 \(fuse\): .* is in training mode"):
        graphmorph.run_pipeline(net.train(), [{"run": "widen"}, {"run": "fuse"}], example_inputs=X)


@pytest.mark.parametrize("option", [{"inputs": {}}, {"labels": [1]}, {"freeze_initializers": True}])
def test_options_of_files_mean_nothing(net: nn.Sequential, option: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"step 1 \(fuse\): .*for ONNX files only|labels need the inputs"):
        graphmorph.run_pipeline(net, TWO_STEPS, example_inputs=X, **option)


def test_a_module_is_not_written(net: nn.Sequential, tmp_path: Path) -> None:
    loose: Any = graphmorph.run_pipeline
    with pytest.raises(UsageError, match=r"to write a file use graphmorph\.export"):
        loose(net, TWO_STEPS, tmp_path / "out.onnx")


class Sum(nn.Module):
    """Two normalised convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
        self.p, self.q = nn.BatchNorm2d(4), nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.p(self.a(x)) + self.q(self.b(x))
        return found


def test_small_errors_of_the_steps_add_up_and_the_whole_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, LargeBias)
    steps: Steps = [{"run": "fold-batchnorm", "keep": ["p"]}, {"run": "fold-batchnorm"}]
    with pytest.raises(VerificationError, match=r"^every step is proven, but the whole computes something else"):
        graphmorph.run_pipeline(Sum().eval(), steps, example_inputs=X, atol=0.015)

"""`graphmorph.insert_layer` on live modules: modes, training on, and the optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import graphmorph
from graphmorph.errors import OptimizerWarning, RefusedError, UsageError, VerificationError
from graphmorph.layer_insertion.report import InsertReport
from graphmorph.torch_door.morphed_module import MorphedModule
from graphmorph.training import carry_optimizer
from tests.graphmorph.pruning.small_models import residual_module

#: A leaky relu of slope 1 is the identity: as many channels as there were give everything again.
LINEAR: dict[str, Any] = {"activation": "leaky-relu", "slope": 1.0, "ridge": 0.0, "kernel": 1, "positions": 0}
BEHIND = "2"


def net() -> nn.Sequential:
    """BEHIND is its first relu, of 6 channels."""
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )
    for _ in range(3):
        made(torch.randn(16, 3, 8, 8))
    return made.eval()


def batches(count: int = 4) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(8, 3, 8, 8, generator=generator) for _ in range(count)]


def insert(module: nn.Module, **options: Any) -> MorphedModule:
    options = {"after": BEHIND, "calibration": batches(), **options}
    deeper: MorphedModule = graphmorph.insert_layer(module, batches()[0], **options)
    return deeper


def report_of(deeper: MorphedModule) -> InsertReport:
    report: Any = deeper.report
    assert isinstance(report, InsertReport)
    return report


def apart(first: nn.Module, second: nn.Module) -> float:
    """By how much of their norm the outputs differ, both as they run when deployed."""
    x = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    modes = first.training, second.training
    with torch.no_grad():
        before, after = first.eval()(x), second.eval()(x)
    first.train(modes[0]), second.train(modes[1])
    return float((before - after).norm() / before.norm())


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("algorithm", ["compnet-1", "compnet-2", "compnet-3"])
def test_linear_channels_keep_the_function_in_both_modes(algorithm: str, training: bool) -> None:
    module = net().train(training)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    deeper = insert(module, algorithm=algorithm, channels=14, survivors=6, **LINEAR)
    assert deeper.training == module.training == training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    layer = report_of(deeper).layer
    assert layer.kept == 6
    assert layer.explained is not None
    assert apart(module, deeper) < 1e-4
    assert min(layer.explained) > 1 - 1e-6


@pytest.mark.parametrize(("after", "channels"), [("stem.2", 16), ("relu", 24), ("relu_1", 16)])
def test_a_residual_network(after: str, channels: int) -> None:
    """At the start of a branch, which the sum does not see; inside of it; and behind the sum, through a mean."""
    module = residual_module()
    deeper = insert(module, after=after, channels=2 * channels, survivors=channels, **LINEAR)
    assert apart(module, deeper) < 1e-4


def test_a_normalisation_is_no_layer_to_refit() -> None:
    with pytest.raises(RefusedError, match="BatchNormalization norm is not a layer with constant weights"):
        insert(residual_module(), after="inner")


def test_it_trains_on_at_once() -> None:
    deeper = insert(net(), channels=12, survivors=9).train()
    optimizer = torch.optim.Adam(deeper.parameters(), 0.02)
    x, target = batches()[0], torch.arange(8) % 4
    new = {name: value for name, value in deeper.named_parameters() if "_inserted" in name}
    assert sorted(name.rsplit(".")[-1] for name in new) == ["bias", "weight"]
    begin = {name: value.detach().clone() for name, value in new.items()}
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(deeper(x), target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert all(not torch.equal(value, begin[name]) for name, value in new.items())


def _sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, 0.01, momentum=0.9)


def _adamw(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, 0.01)


@pytest.mark.parametrize(("make", "key"), [(_sgd, "momentum_buffer"), (_adamw, "exp_avg")])
def test_an_optimizer_keeps_what_it_knows_of_parameters_that_stay(
    make: Callable[[Any], torch.optim.Optimizer], key: str
) -> None:
    module = net().train()
    optimizer = make(module.parameters())
    for x in batches():
        optimizer.zero_grad()
        module(x).square().sum().backward()
        optimizer.step()
    known = {name: optimizer.state[value][key].clone() for name, value in module.named_parameters()}
    deeper = insert(module, channels=12, survivors=9)
    with pytest.warns(OptimizerWarning, match=r"the state of 2 parameters starts anew: 3.weight .*; 3.bias"):
        optimizer = carry_optimizer(optimizer, module, deeper)
    held = {id(value) for group in optimizer.param_groups for value in group["params"]}
    parameters = dict(deeper.named_parameters())
    assert held == {id(value) for value in parameters.values()}
    for name in known:
        if not name.startswith("3."):
            assert torch.equal(optimizer.state[parameters[name]][key], known[name])
    new = [value for name, value in parameters.items() if "_inserted" in name]
    assert len(new) == 2
    assert all(not optimizer.state.get(value) for value in new)
    deeper.train()(batches()[0]).sum().backward()
    optimizer.step()
    assert all(key in optimizer.state[value] for value in new)


def test_net2deeper_is_proven() -> None:
    module = net()
    deeper = insert(module, algorithm="net2deeper", calibration=None)
    proof = report_of(deeper).proof
    assert proof is not None
    assert proof.verdict == "equal"
    assert apart(module, deeper) == 0


def test_a_normalisation_changes_nothing_and_has_statistics() -> None:
    module = net()
    plain, normalised = (insert(module, channels=12, survivors=9, batch_norm=on) for on in (False, True))
    assert apart(plain, normalised) < 1e-5
    assert "running_mean" in " ".join(dict(normalised.named_buffers()))


def test_data_loaders_and_more_change_than_allowed() -> None:
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.cat(batches())), batch_size=8)
    deeper = insert(net(), calibration=loader, survivors=9, algorithm="compnet-1")
    assert report_of(deeper).layer.rows == 32 * 10
    with pytest.raises(VerificationError, match=r"outputs changed by .* more than 0.0001"):
        insert(net(), calibration=loader, channels=4, survivors=1, max_error=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"after": "nothing"}, "no node or tensor nothing"),
        ({"calibration": None}, "give calibration data"),
        ({"calibration": []}, "no sample"),
        ({"calibration": iter(batches()), "algorithm": "compnet-1"}, "have to be read more than once"),
        ({"calibration": [torch.full((2, 3, 8, 8), torch.nan)]}, "NaN or infinity"),
    ],
)
def test_what_does_not_fit_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        insert(net(), **options)


def test_nothing_can_be_written_from_a_module() -> None:
    with pytest.raises(UsageError):
        graphmorph.insert_layer(net(), "deeper.onnx", after=BEHIND, calibration=batches())

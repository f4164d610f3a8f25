"""Pruned weights stay zero, whatever the optimizer remembers, and the module knows nothing of it."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn, optim

import graphmorph
from graphmorph.errors import UsageError
from graphmorph.training import MagnitudeMasks
from tests.graphmorph.training.digits_mlp import digits, network, train

OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda p: optim.SGD(p, 0.05, momentum=0.9, weight_decay=1e-3),
    "nesterov": lambda p: optim.SGD(p, 0.05, momentum=0.9, nesterov=True, foreach=True),
    "adam": lambda p: optim.Adam(p, 0.01, weight_decay=1e-3),
    "adamw": lambda p: optim.AdamW(p, 0.01, weight_decay=0.05, amsgrad=True),
    "fused": lambda p: optim.AdamW(p, 0.01, fused=True),
    "rmsprop": lambda p: optim.RMSprop(p, 0.003, momentum=0.5),
}


def trained(name: str = "adamw", epochs: int = 1) -> tuple[nn.Sequential, optim.Optimizer]:
    module = network()
    optimizer = OPTIMIZERS[name](module.parameters())
    train(module, optimizer, epochs)
    return module, optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_pruned_weights_stay_zero_and_others_go_on(name: str) -> None:
    module, optimizer = trained(name)
    masks = MagnitudeMasks(module, optimizer)
    pruned = masks.prune(0.5)
    assert pruned == 1_116
    assert masks.remaining == masks.total - pruned == 1_116
    before = {path: weight.detach().clone() for path, weight in masks.weights.items()}
    train(module, optimizer, 1)
    for path, weight in masks.weights.items():
        kept = masks.kept[path]
        assert (weight[~kept] == 0).all()
        assert (weight[kept] != 0).all()
        assert (weight[kept] != before[path][kept]).any()


def test_without_masks_momentum_brings_weights_back() -> None:
    """What the masks are for: the same run, released."""
    module, optimizer = trained("sgd")
    masks = MagnitudeMasks(module, optimizer)
    masks.prune(0.5)
    masks.release()
    train(module, optimizer, 1)
    assert sum(int((weight == 0).sum()) for weight in masks.weights.values()) < 100


def test_losses_are_those_of_a_network_that_multiplies_by_its_masks() -> None:
    module, optimizer = trained("sgd")
    module.double()
    masks = MagnitudeMasks(module, optimizer)
    masks.prune(0.4)
    masked = copy.deepcopy(module)
    same = optim.SGD(masked.parameters(), 0.05, momentum=0.9, weight_decay=1e-3)
    fresh = optim.SGD(module.parameters(), 0.05, momentum=0.9, weight_decay=1e-3)
    masks.release()
    masks = MagnitudeMasks(module, fresh)
    masks.load_state_dict({path: module.get_parameter(path) != 0 for path in masks.kept})
    images, labels = digits()
    images = images.double()

    def forward_by_hand(x: torch.Tensor) -> torch.Tensor:
        for index in (0, 2, 4, 6):
            layer = masked[index]
            assert isinstance(layer, nn.Linear)
            x = nn.functional.linear(x, layer.weight * masks.kept[f"{index}.weight"], layer.bias)
            x = x.relu() if index < 6 else x
        return x

    for step in range(20):
        batch = slice(50 * step, 50 * step + 50)
        losses = []
        for forward, one in ((module, fresh), (forward_by_hand, same)):
            loss = nn.functional.cross_entropy(forward(images[batch]), labels[batch])
            one.zero_grad()
            loss.backward()
            one.step()
            losses.append(loss.item())
        assert losses[0] == pytest.approx(losses[1], rel=1e-12)


def test_module_and_optimizer_have_nothing_of_it() -> None:
    module, optimizer = trained()
    names = list(module.state_dict())
    state = list(module.__dict__), [list(layer.__dict__) for layer in module]
    masks = MagnitudeMasks(module, optimizer)
    masks.prune(0.6)
    assert list(module.state_dict()) == names
    assert state == (list(module.__dict__), [list(layer.__dict__) for layer in module])
    for layer in module.modules():
        assert not layer._forward_hooks
        assert not layer._forward_pre_hooks
        assert not layer._backward_hooks
        assert not nn.utils.parametrize.is_parametrized(layer)
    assert not any(parameter._backward_hooks for parameter in module.parameters())
    masks.release()
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks


def test_a_copy_is_free_of_masks_and_the_original_is_not() -> None:
    module, optimizer = trained()
    masks = MagnitudeMasks(module, optimizer)
    masks.prune(0.6)
    twin = copy.deepcopy(module)
    other = optim.SGD(twin.parameters(), 0.1)
    train(twin, other, 1)
    assert sum(int((layer.weight != 0).sum()) for layer in twin if isinstance(layer, nn.Linear)) > masks.remaining
    copied = copy.deepcopy(optimizer)
    assert not copied._optimizer_step_post_hooks
    train(module, optimizer, 1)
    assert sum(int((weight != 0).sum()) for weight in masks.weights.values()) == masks.remaining


def test_state_goes_through_a_file() -> None:
    module, optimizer = trained()
    masks = MagnitudeMasks(module, optimizer)
    masks.prune(0.6)
    file = io.BytesIO()
    torch.save([module.state_dict(), optimizer.state_dict(), masks.state_dict()], file)
    file.seek(0)
    fresh = network()
    continued = OPTIMIZERS["adamw"](fresh.parameters())
    again = MagnitudeMasks(fresh, continued)
    parts: list[Any] = [fresh, continued, again]
    for one, state in zip(parts, torch.load(file, weights_only=True), strict=True):
        one.load_state_dict(state)
    train(module, optimizer, 1)
    train(fresh, continued, 1)
    assert again.remaining == masks.remaining
    assert all(torch.equal(value, fresh.state_dict()[name]) for name, value in module.state_dict().items())


def test_weights_that_are_loaded_are_pruned_by_apply() -> None:
    module, optimizer = trained()
    whole = copy.deepcopy(module.state_dict())
    masks = MagnitudeMasks(module, optimizer)
    masks.prune(0.6)
    module.load_state_dict(whole)
    masks.apply()
    assert sum(int((weight != 0).sum()) for weight in masks.weights.values()) == masks.remaining


def test_some_weights_only() -> None:
    module, optimizer = trained()
    masks = MagnitudeMasks(module, optimizer, weights="[02].*")
    assert masks.total == 64 * 24 + 24 * 16
    masks.prune(0.9)
    assert int((module.get_parameter("4.weight") == 0).sum()) == 0


def test_what_was_pruned_before_a_trial_is_what_is_pruned_after_it() -> None:
    module, optimizer = trained()
    masks = MagnitudeMasks(module, optimizer)
    masks.prune(0.3)
    before = copy.deepcopy(module.state_dict())
    with masks.tried(0.5):
        assert masks.remaining == round(0.5 * masks.total * 0.7)
        assert sum(int((weight == 0).sum()) for weight in masks.weights.values()) == masks.total - masks.remaining
    assert masks.remaining == round(0.7 * masks.total)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_masks_follow_another_rewrite() -> None:
    """Channels that go by a criterion take their masks along, and the loop goes on."""
    module, optimizer = trained()
    masks = MagnitudeMasks(module, optimizer)
    masks.prune(0.5)
    smaller = graphmorph.prune(module, digits()[0][:4], ratio=0.25, round_to=1, latency=False)
    masks.follow(smaller)
    assert masks.module is smaller
    assert [tuple(one.shape) for one in masks.kept.values()] == [(18, 64), (12, 18), (9, 12), (10, 9)]
    for path, weight in masks.weights.items():
        assert torch.equal(masks.kept[path], weight != 0)
    train(smaller, optimizer, 1)
    for path, weight in masks.weights.items():
        assert torch.equal(masks.kept[path], weight != 0)


def test_mistakes_are_told() -> None:
    module, optimizer = trained(epochs=0)
    with pytest.raises(UsageError, match="measure='size': there are share, magnitude, deviations"):
        MagnitudeMasks(module, optimizer, measure="size")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no parameter of Sequential with two or more axes and a path like 'head'"):
        MagnitudeMasks(module, optimizer, weights="head")
    masks = MagnitudeMasks(module, optimizer)
    with pytest.raises(UsageError, match=r"not negative, as -0\.1 is"):
        masks.prune(-0.1)
    with pytest.raises(UsageError, match="rewrite the module first"):
        masks.load_state_dict({"0.weight": torch.ones(2, 2, dtype=torch.bool)})

"""Dead channels go in the middle of training, and the losses are those of the run that keeps them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn, optim

import graphmorph
from graphmorph.torch_door.morphed_module import MorphedModule
from graphmorph.training import carry_optimizer
from tests.graphmorph.training.dead_net import DEAD_IN_BLOCK, DeadBlock, DeadNet, batch, tokens, without_dead
from tests.graphmorph.training.slicing import removed

STEPS, CUT_AT = 14, 6

OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda p: optim.SGD(p, 0.1, momentum=0.9, weight_decay=1e-3),
    "nesterov": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, foreach=True),
    "adam": lambda p: optim.Adam(p, 0.01, weight_decay=1e-3),
    "adamw": lambda p: optim.AdamW(p, 0.01, weight_decay=0.05, amsgrad=True),
    "foreach": lambda p: optim.AdamW(p, 0.01, foreach=True),
    "fused": lambda p: optim.AdamW(p, 0.01, fused=True),
    "rmsprop": lambda p: optim.RMSprop(p, 0.003, momentum=0.5, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, 0.02),
    "nadam": lambda p: optim.NAdam(p, 0.01),
    "asgd": lambda p: optim.ASGD(p, 0.05, t0=3),
}


@dataclass(frozen=True)
class Task:
    """A net, its data, and the net without what is dead in it."""

    build: Callable[[], nn.Module]
    batch: Callable[[int], tuple[torch.Tensor, torch.Tensor]]
    without_dead: Callable[[Any], MorphedModule]


CONVOLUTIONS = Task(DeadNet, batch, without_dead)
BY_PASS = Task(DeadNet, batch, lambda module: graphmorph.prune(module, batch(0)[0], exact=True))
ATTENTION = Task(DeadBlock, tokens, lambda module: removed(module, tokens(0)[0], DEAD_IN_BLOCK))


class Run:
    """A training: its losses, and what it trains."""

    def __init__(self, name: str, task: Task = CONVOLUTIONS) -> None:
        self.task = task
        self.module = task.build()
        weights = [p for p in self.module.parameters() if p.dim() > 1]
        vectors = [p for p in self.module.parameters() if p.dim() == 1]
        self.optimizer = OPTIMIZERS[name]([{"params": vectors, "weight_decay": 0.0}, {"params": weights}])
        self.scheduler = optim.lr_scheduler.CosineAnnealingLR(self.optimizer, STEPS)
        self.losses: list[float] = []

    def step(self, number: int, *, follow: Callable[..., object] | None) -> None:
        x, labels = self.task.batch(number)
        loss = nn.functional.cross_entropy(self.module(x), labels)
        self.optimizer.zero_grad()
        loss.backward()
        if follow is not None:
            self.cut(follow)
        self.optimizer.step()
        self.scheduler.step()
        self.losses.append(loss.item())

    def cut(self, follow: Callable[..., object]) -> None:
        """Take out what is dead."""
        before, self.module = self.module, self.task.without_dead(self.module)
        follow(self.optimizer, before, self.module)

    def trained(self, at: str = "never", follow: Callable[..., object] = carry_optimizer) -> Run:
        for number in range(STEPS):
            if number == CUT_AT and at == "between steps":
                self.cut(follow)
            self.step(number, follow=follow if number == CUT_AT and at == "before the update" else None)
        return self


@pytest.mark.parametrize("task", [CONVOLUTIONS, ATTENTION], ids=["convolutions", "attention"])
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("at", ["between steps", "before the update"])
def test_the_losses_are_those_of_the_run_with_dead_channels(name: str, at: str, task: Task) -> None:
    whole, cut = Run(name, task).trained(), Run(name, task).trained(at)
    np.testing.assert_allclose(cut.losses, whole.losses, rtol=1e-11)
    assert abs(whole.losses[-1] - whole.losses[CUT_AT]) > 1e-3
    assert cut.scheduler.get_last_lr() == whole.scheduler.get_last_lr()
    assert held(cut) < 0.85 * held(whole)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("at", ["between steps", "before the update"])
def test_so_they_are_where_the_pass_finds_what_is_dead(name: str, at: str) -> None:
    """It cannot know of the hidden units, which no input of this size wakes."""
    whole, cut = Run(name, BY_PASS).trained(), Run(name, BY_PASS).trained(at)
    np.testing.assert_allclose(cut.losses, whole.losses, rtol=1e-11)
    assert [*cut.module.get_parameter("body.3.weight").shape] == [5, 6, 3, 3]


def held(run: Run) -> int:
    """How many numbers an optimizer trains."""
    return sum(p.numel() for group in run.optimizer.param_groups for p in group["params"])


def anew(optimizer: optim.Optimizer, before: nn.Module, after: Any) -> None:
    """Forget all state."""
    carry_optimizer(optimizer, before, after)
    optimizer.state.clear()


def turned(optimizer: optim.Optimizer, before: nn.Module, after: Any) -> None:
    """Move the state of every channel to the next."""
    carry_optimizer(optimizer, before, after)
    for state in optimizer.state.values():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.dim():
                state[name] = value.roll(1, 0)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("wrong", [anew, turned])
def test_the_losses_tell_wrong_state(name: str, wrong: Callable[..., None]) -> None:
    whole, cut = Run(name).trained(), Run(name).trained("between steps", wrong)
    assert np.abs(np.subtract(whole.losses, cut.losses)).max() > 1e-4


def test_a_copy_of_the_smaller_module_will_do() -> None:
    whole, cut = Run("adam").trained(), Run("adam")

    def copied(optimizer: optim.Optimizer, before: nn.Module, after: Any) -> None:
        cut.module = twin = copy.deepcopy(after)
        carry_optimizer(optimizer, before, twin)

    np.testing.assert_allclose(cut.trained("between steps", copied).losses, whole.losses, rtol=1e-11)

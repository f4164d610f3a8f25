"""The controllers, on scripted accuracies: Algorithm 1 step for step, and the static baseline."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn, optim

from graphmorph.errors import UsageError
from graphmorph.training import AdaptivePruning, MagnitudeMasks, StaticPruning

BASE = 0.96


class Scripted:
    """Accuracies in the order in which they are asked for, and how many weights there were each time."""

    def __init__(self, *accuracies: float) -> None:
        self.accuracies: Iterator[float] = iter(accuracies)
        self.weights: list[int] = []

    def __call__(self, module: nn.Module) -> float:
        self.weights.append(int((module.get_parameter("0.weight") != 0).sum()))
        return next(self.accuracies)


def masks() -> MagnitudeMasks:
    """100 weights of magnitudes 0.01, 0.02, ..., 1."""
    module = nn.Sequential(nn.Linear(10, 10))
    with torch.no_grad():
        module.get_parameter("0.weight").copy_(torch.arange(1, 101).view(10, 10) / 100)
    return MagnitudeMasks(module, optim.SGD(module.parameters(), 0.1))


def test_algorithm_1() -> None:
    """PR from 0.1 by 0.05 until the drop passes the threshold, step back, prune, retrain; until the base is missed."""
    script = Scripted(
        0.97,  # before anything
        *(0.965, 0.958, 0.954),  # 0.15 and 0.2 are borne (0.958 is a drop of 0.002), 0.25 is not: 0.2 prunes
        0.962,  # retrained: reached
        *(0.96, 0.957, 0.956, 0.9549),  # 0.15, 0.2, 0.25, and 0.3 not: 0.25
        0.96,  # retrained: just reached
        0.9,  # not even 0.15: 0.1, untried
        0.959,  # retrained: missed
    )
    own = masks()
    pruning = AdaptivePruning(own, script, base_accuracy=BASE, threshold=0.005)
    remaining = [own.remaining for _ in pruning]
    assert remaining == [80, 60, 54]
    assert [step.rate for step in pruning.steps] == [0.2, 0.25, 0.1]
    assert [[trial.rate for trial in step.trials] for step in pruning.steps] == [
        [0.15, 0.2, 0.25],
        [0.15, 0.2, 0.25, 0.3],
        [0.15],
    ]
    assert [step.accuracy for step in pruning.steps] == [0.962, 0.96, 0.959]
    assert [step.accepted for step in pruning.steps] == [True, True, False]
    # Every trial is of the weights at the head of its step: 80 remain after the first, 60 after the second.
    assert script.weights == [100, 85, 80, 75, 80, 68, 64, 60, 56, 60, 51, 54]
    assert pruning.ended == "step 3 came to 0.959, below 0.96, and was taken back"
    assert own.remaining == 60
    assert pruning.accepted == pruning.steps[:2]


def test_a_step_that_fails_is_taken_back_whole() -> None:
    own = masks()
    weight = own.module.get_parameter("0.weight")
    pruning = StaticPruning(own, Scripted(0.97, 0.96, 0.9), base_accuracy=BASE, rate=0.2)
    states = []
    for _ in pruning:
        own.optimizer.zero_grad()
        own.module(torch.ones(3, 10)).square().sum().backward()
        own.optimizer.step()
        states.append(weight.detach().clone())
    assert torch.equal(weight, states[0])
    assert not torch.equal(states[0], states[1])
    assert own.remaining == 80
    with pytest.raises(StopIteration):
        next(pruning)


def test_static_pruning_by_a_threshold_ends_where_nothing_is_below_it() -> None:
    own = masks()
    own.measure = "magnitude"
    pruning = StaticPruning(own, lambda module: 1.0, base_accuracy=BASE, rate=0.205)
    assert [step.remaining for step in pruning] == [80]
    assert pruning.ended == "a rate of 0.205 prunes none of the remaining 80 weights"


def test_the_first_step_may_fail() -> None:
    """Table III: 0.4 failed."""
    own = masks()
    pruning = StaticPruning(own, Scripted(0.97, 0.5), base_accuracy=BASE, rate=0.4)
    assert len(list(pruning)) == 1
    assert pruning.accepted == []
    assert own.remaining == 100


def test_accuracy_that_never_falls_ends_with_the_last_weights() -> None:
    own = masks()
    pruning = AdaptivePruning(own, lambda module: 1.0, base_accuracy=BASE, max_steps=4)
    assert [step.remaining for step in pruning] == [5, 1]
    assert pruning.ended == "a rate of 0.5 prunes none of the remaining 1 weights"


def test_no_more_steps_than_asked_for() -> None:
    pruning = StaticPruning(masks(), lambda module: 1.0, base_accuracy=BASE, rate=0.1, max_steps=3)
    assert len(list(pruning)) == 3
    assert pruning.ended == "3 steps were asked for"


def test_a_network_that_is_not_good_enough_is_refused() -> None:
    with pytest.raises(UsageError, match=r"accuracy is 0\.9 before any pruning, below base_accuracy=0\.96"):
        next(StaticPruning(masks(), lambda module: 0.9, base_accuracy=BASE, rate=0.1))
    with pytest.raises(UsageError, match="increment=0 must be positive"):
        AdaptivePruning(masks(), lambda module: 1.0, base_accuracy=BASE, increment=0)

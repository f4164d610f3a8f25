"""Prune and retrain in turn, until accuracy cannot be won back: a loop over steps, in whose body the user trains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import nn

from graphmorph.errors import UsageError
from graphmorph.training.magnitude_pruning.masks import MagnitudeMasks
from graphmorph.training.magnitude_pruning.snapshot import Snapshot

Evaluate = Callable[[nn.Module], float]


@dataclass(frozen=True)
class Trial:
    """A rate that was tried, and the accuracy with it, before any retraining."""

    rate: float
    accuracy: float


@dataclass(frozen=True)
class PruningStep:
    """One pruning: a row of the paper's tables I and II.

    remaining: weights. mean_magnitude: of them, right after the pruning. accuracy: after retraining, None until then.
    accepted: whether accuracy was won back; a step that was not is taken back.
    """

    number: int
    rate: float
    remaining: int
    mean_magnitude: float
    trials: tuple[Trial, ...] = ()
    accuracy: float | None = None
    accepted: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


class PruningSteps(ABC, Iterator[PruningStep]):
    """What every schedule of pruning has in common.

    Each round of `for step in ...` begins behind a pruning, and its body retrains `masks.module`. At the end of a round
    the accuracy is measured: below `base_accuracy` module, optimizer and masks go back to where they were before the
    last pruning, and the loop ends; `ended` says why. The optimizer's learning rates go back too, schedulers do not.

    evaluate: gives the accuracy of the module, or whatever is larger for better networks. max_steps: no more than that.
    """

    def __init__(
        self, masks: MagnitudeMasks, evaluate: Evaluate, *, base_accuracy: float, max_steps: int | None = None
    ) -> None:
        self.masks, self.base_accuracy, self.max_steps = masks, base_accuracy, max_steps
        self.steps: list[PruningStep] = []
        self.ended: str | None = None
        self._evaluate = evaluate
        self._before: Snapshot | None = None
        self._again = False

    @property
    def accepted(self) -> list[PruningStep]:
        """The steps that lasted."""
        return [step for step in self.steps if step.accepted]

    def __next__(self) -> PruningStep:
        """Judge the last step, and prune.

        Raises:
            UsageError: accuracy is below the base before anything is pruned.
        """
        if self._again:
            self._again = False
            return self.steps[-1]
        if self.ended is None and self.steps and self.steps[-1].accepted is None:
            self._judge()
        elif not self.steps:
            self._require_base()
        if self.ended is None and self.max_steps is not None and len(self.steps) >= self.max_steps:
            self.ended = f"{self.max_steps} steps were asked for"
        if self.ended is None:
            self._prune()
        if self.ended is not None:
            self._before = None
            raise StopIteration
        return self.steps[-1]

    def _require_base(self) -> None:
        accuracy = self._evaluate(self.masks.module)
        if not accuracy >= self.base_accuracy:
            raise UsageError(
                f"the accuracy is {accuracy:g} before any pruning, below base_accuracy={self.base_accuracy:g}: train "
                "longer, or accept less"
            )

    def _judge(self) -> None:
        accuracy = self._evaluate(self.masks.module)
        reached = accuracy >= self.base_accuracy
        self.steps[-1] = replace(self.steps[-1], accuracy=accuracy, accepted=reached)
        if not reached:
            assert self._before is not None
            self._before.restore(self.masks)
            number = self.steps[-1].number
            self.ended = f"step {number} came to {accuracy:g}, below {self.base_accuracy:g}, and was taken back"

    def _prune(self) -> None:
        rate, trials = self._rate()
        before = Snapshot.of(self.masks)
        if not self.masks.prune(rate):
            self.ended = f"a rate of {rate:g} prunes none of the remaining {self.masks.remaining} weights"
            return
        self._before = before
        self.steps.append(
            PruningStep(len(self.steps) + 1, rate, self.masks.remaining, self.masks.mean_magnitude, trials)
        )

    @abstractmethod
    def _rate(self) -> tuple[float, tuple[Trial, ...]]:
        """The rate of the next pruning, and what was tried to find it."""

    def state_dict(self) -> dict[str, Any]:
        """All that a later run goes on from, if it is taken at the head of the loop's body; for torch.save.

        The state of the module, the optimizer and the masks at that moment is saved next to it. After `load_state_dict`
        the loop begins with the very step that was interrupted, whose retraining starts over.
        """
        before = None if self._before is None else dict(vars(self._before))
        return {"steps": [step.as_dict() for step in self.steps], "ended": self.ended, "before": before}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there; module, optimizer and masks are loaded by the user."""
        self.steps = [
            PruningStep(**{**step, "trials": tuple(Trial(**one) for one in step["trials"])}) for step in state["steps"]
        ]
        self.ended = state["ended"]
        self._before = None if state["before"] is None else Snapshot(**state["before"])
        self._again = self.ended is None and bool(self.steps) and self.steps[-1].accepted is None

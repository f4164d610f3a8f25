"""Pruning at one rate, step after step: the baseline (section III.A.1 and 2)."""

from __future__ import annotations

from graphmorph.training.magnitude_pruning.masks import MagnitudeMasks
from graphmorph.training.magnitude_pruning.pruning_steps import Evaluate, PruningSteps, Trial


class StaticPruning(PruningSteps):
    """`for step in StaticPruning(...)`: every round prunes at the same rate, and its body retrains."""

    def __init__(
        self,
        masks: MagnitudeMasks,
        evaluate: Evaluate,
        *,
        base_accuracy: float,
        rate: float,
        max_steps: int | None = None,
    ) -> None:
        super().__init__(masks, evaluate, base_accuracy=base_accuracy, max_steps=max_steps)
        self.rate = rate

    def _rate(self) -> tuple[float, tuple[Trial, ...]]:
        return self.rate, ()

"""Algorithm 1: in every step the largest rate that accuracy bears before retraining."""

from __future__ import annotations

from graphmorph.errors import UsageError
from graphmorph.training.magnitude_pruning.masks import MagnitudeMasks
from graphmorph.training.magnitude_pruning.pruning_steps import Evaluate, PruningSteps, Trial

#: Rates are sums of decimal numbers, and are shown to users.
_DIGITS = 10


class AdaptivePruning(PruningSteps):
    """`for step in AdaptivePruning(...)`: Algorithm 1, with "Retraining" as the body of the loop.

    In every step the rate begins at `start` and grows by `increment`; each rate is tried on the weights of before,
    until the accuracy is more than `threshold` below `base_accuracy`. The rate before that one prunes (`start` itself
    if the first one tried is too much, which the paper does not try). Then comes retraining, and the next step, as long
    as `base_accuracy`, the acceptable one, is reached. A rate that leaves no weights is too much in any case.

    The paper does not give its threshold. On its network half a percent, what retraining may leave, means dozens of
    steps at rates near `start`; the default brings rates like those of its table II.

    The paper's rates are magnitudes (`MagnitudeMasks(measure="magnitude")`): in table I a rate of 0.2 takes 39 % of the
    weights at first, then 11 %, then 3 %, and those left have a mean of 0.46.
    """

    def __init__(
        self,
        masks: MagnitudeMasks,
        evaluate: Evaluate,
        *,
        base_accuracy: float,
        threshold: float = 0.05,
        start: float = 0.1,
        increment: float = 0.05,
        max_steps: int | None = None,
    ) -> None:
        super().__init__(masks, evaluate, base_accuracy=base_accuracy, max_steps=max_steps)
        if increment <= 0 or start < 0 or threshold < 0:
            raise UsageError(
                f"start={start:g} and threshold={threshold:g} may not be negative, and increment={increment:g} must be "
                "positive"
            )
        self.threshold, self.start, self.increment = threshold, start, increment

    def _rate(self) -> tuple[float, tuple[Trial, ...]]:
        trials: list[Trial] = []
        while True:
            rate = round(self.start + (len(trials) + 1) * self.increment, _DIGITS)
            with self.masks.tried(rate):
                trials.append(Trial(rate, self._evaluate(self.masks.module)))
                too_much = self.base_accuracy - trials[-1].accuracy > self.threshold or not self.masks.remaining
            if too_much:
                return round(rate - self.increment, _DIGITS), tuple(trials)

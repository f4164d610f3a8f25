"""What a pruning is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from graphmorph.channels.budget import Budget
from graphmorph.channels.criteria import Criterion
from graphmorph.errors import UsageError
from graphmorph.option_values import require_finite
from graphmorph.proof.user_data import UserData
from graphmorph.pruning.plan import RemovalPlan


@dataclass(frozen=True)
class PruneSettings:
    """wanted: how much, or exactly what. max_error: the largest ratio is taken whose outputs change by no more than
    this (the norm of the difference by the norm of the original). calibration: data to score activations and to repair
    with. repair: fit the weights of the layers that lost inputs again. latency: time both models."""

    wanted: Budget | RemovalPlan
    criterion: Criterion = field(default_factory=Criterion)
    max_error: float | None = None
    calibration: UserData | None = None
    repair: bool = False
    latency: bool = True

    def __post_init__(self) -> None:
        if self.max_error is not None:
            require_finite("max_error", self.max_error)
        if self.repair and self.calibration is None:
            raise UsageError("repair fits weights to data: give calibration data")

    def at(self, ratio: float) -> PruneSettings:
        """The same with another ratio."""
        assert isinstance(self.wanted, Budget)
        return replace(self, wanted=replace(self.wanted, ratio=ratio), max_error=None)


def settings_of(
    *,
    ratio: float | None,
    target_macs: float | None,
    target_params: float | None,
    max_error: float | None,
    plan: RemovalPlan | None,
    scope: Literal["layer", "global"],
    round_to: int,
    floor: int,
    floor_fraction: float,
    keep: Sequence[str],
    criterion: Criterion,
    calibration: UserData | None,
    repair: bool,
    latency: bool,
) -> PruneSettings:
    """Settings from options, of which one says how much.

    Raises:
        UsageError: none of them does, several exclude each other, or one is out of range.
    """
    how_much = {
        "a ratio": ratio is not None,
        "a target": target_macs is not None or target_params is not None,
        "max_error": max_error is not None,
        "a plan": plan is not None,
    }
    given = [name for name, is_given in how_much.items() if is_given]
    if len(given) != 1:
        raise UsageError(
            f"{' and '.join(given)} exclude each other: give one"
            if given
            else "say how much is to go: a ratio, target_macs, target_params, max_error, or a plan"
        )
    if plan is not None:
        return PruneSettings(plan, criterion, None, calibration, repair, latency)
    budget = Budget(
        ratio=0.0 if max_error is not None else ratio,
        scope=scope,
        target_macs=target_macs,
        target_params=target_params,
        round_to=round_to,
        floor=floor,
        floor_fraction=floor_fraction,
        keep=tuple(keep),
    )
    return PruneSettings(budget, criterion, max_error, calibration, repair, latency)

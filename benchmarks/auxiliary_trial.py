"""One trial: a network of one fold, trained, pruned, perhaps deepened, and pruned again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

import graphmorph
from benchmarks.auxiliary_data import Fold, fold_of
from benchmarks.auxiliary_training import MIDDLE, Schedule, accuracy, network, optimizer_of, train, train_base
from benchmarks.auxiliary_variants import BASE, FIRST_STEPS, LADDER, MAX_STEPS, Layer, OwnVariant, PaperVariant, Setting
from graphmorph.training import (
    AdaptivePruning,
    MagnitudeMasks,
    StaticPruning,
    insert_auxiliary_layer,
    remove_dead_neurons,
    sparse_report,
)
from graphmorph.training.magnitude_pruning.pruning_steps import PruningSteps

CALIBRATED_ON = 2_000


@dataclass(frozen=True)
class Trial:
    """One row of the results."""

    setting: Setting
    variant: str
    options: PaperVariant | OwnVariant
    fold: int
    seed: int

    def key(self) -> dict[str, Any]:
        """What tells its row from others with the same settings."""
        return {"variant": self.variant, "fold": self.fold, "seed": self.seed}


def run_trial(trial: Trial, source: Path, samples: int | None) -> dict[str, Any]:
    """All steps; plain data."""
    begun = time.perf_counter()
    fold, schedule = fold_of(source, trial.fold, samples), trial.setting.schedule
    module = network(schedule, 1_000 * trial.seed + trial.fold)
    optimizer = optimizer_of(module, schedule)
    epochs = train_base(module, optimizer, fold, schedule)
    row = {**trial.key(), "base_epochs": epochs, "base_accuracy": accuracy(module, fold.held_out)}
    masks = MagnitudeMasks(module, optimizer, measure=trial.setting.measure, scope=trial.setting.scope)
    row["base_mean_magnitude"] = masks.mean_magnitude
    run = _as_in_the_paper if isinstance(trial.options, PaperVariant) else _down_the_ladder
    row.update(run(masks, fold, trial))
    masks.release()
    return {**row, "seconds": round(time.perf_counter() - begun, 1)}


def _as_in_the_paper(masks: MagnitudeMasks, fold: Fold, trial: Trial) -> dict[str, Any]:
    variant, schedule = trial.options, trial.setting.schedule
    assert isinstance(variant, PaperVariant)
    rounds = [_until_it_fails(masks, fold, variant, schedule)]
    if variant.layer is not None:
        _insert(masks, fold, variant.layer, trial.fold)
        inserted = masks.remaining
        train(masks.module, masks.optimizer, fold.training, schedule, schedule.base // 2)
        rounds.append(_until_it_fails(masks, fold, variant, schedule) | {"inserted": inserted})
    return {"rounds": rounds, **_measured(masks, fold)}


def _until_it_fails(masks: MagnitudeMasks, fold: Fold, variant: PaperVariant, schedule: Schedule) -> dict[str, Any]:
    """The loop that a user writes. What begins below the acceptable accuracy is not pruned."""

    def evaluate(module: nn.Module) -> float:
        return accuracy(module, fold.held_out)

    acceptable = BASE - variant.drop
    if evaluate(masks.module) < acceptable:
        return {"steps": [], "ended": f"below {acceptable:g} before any pruning"}
    pruning: PruningSteps
    if variant.rate is None:
        pruning = AdaptivePruning(
            masks, evaluate, base_accuracy=acceptable, threshold=variant.threshold, max_steps=MAX_STEPS
        )
    else:
        pruning = StaticPruning(masks, evaluate, base_accuracy=acceptable, rate=variant.rate, max_steps=MAX_STEPS)
    for _ in pruning:
        train(masks.module, masks.optimizer, fold.training, schedule, schedule.retrain)
    return {"steps": [step.as_dict() for step in pruning.steps], "ended": pruning.ended}


def _down_the_ladder(masks: MagnitudeMasks, fold: Fold, trial: Trial) -> dict[str, Any]:
    variant, schedule = trial.options, trial.setting.schedule
    assert isinstance(variant, OwnVariant)
    levels, epochs = [], 0
    for number, target in enumerate(LADDER):
        if number == FIRST_STEPS and variant.layer is not None:
            _insert(masks, fold, variant.layer, trial.fold)
            train(masks.module, masks.optimizer, fold.training, schedule, schedule.retrain)
            epochs += schedule.retrain
        while masks.remaining > target:
            masks.prune(1 - max(target, round(masks.remaining * (1 - variant.share))) / masks.remaining)
            schedule = trial.setting.at(masks.remaining)
            train(masks.module, masks.optimizer, fold.training, schedule, schedule.retrain)
            epochs += schedule.retrain
        levels.append({"epochs": epochs, **_counted(masks, fold), "live": _live(masks.module, fold)})
    return {"levels": levels, **_measured(masks, fold)}


def _insert(masks: MagnitudeMasks, fold: Fold, layer: Layer, seed: int) -> None:
    calibration = [fold.training.images[:CALIBRATED_ON]] if layer.start == "compnet" else None
    insert_auxiliary_layer(
        masks,
        fold.training.images[:4],
        after=MIDDLE,
        neurons=layer.neurons,
        start=layer.start,
        calibration=calibration,
        seed=seed,
    )


def _live(module: nn.Module, fold: Fold) -> int:
    """The weights that are left when dead neurons are removed from a copy."""
    smaller = graphmorph.prune(module, fold.training.images[:4], exact=True, verify=False)
    return sum(int((parameter != 0).sum()) for parameter in smaller.parameters() if parameter.dim() > 1)


def _counted(masks: MagnitudeMasks, fold: Fold) -> dict[str, Any]:
    return {
        "remaining": masks.remaining,
        "accuracy": accuracy(masks.module, fold.held_out),
        "accuracy_unseen": accuracy(masks.module, fold.unseen),
    }


def _measured(masks: MagnitudeMasks, fold: Fold) -> dict[str, Any]:
    """What there is in the end, and what is left when dead neurons have gone, with how far the outputs then differ."""
    example, counted = fold.training.images[:4], _counted(masks, fold)
    with torch.no_grad():
        sparse = masks.module(fold.unseen.images)
        report = sparse_report(masks, example).as_dict()
        remove_dead_neurons(masks, example)
        apart = float((masks.module(fold.unseen.images) - sparse).abs().max() / sparse.abs().max())
    return {**counted, "sparse": report, "removed": sparse_report(masks, example).as_dict(), "removal_error": apart}

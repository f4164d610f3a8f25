"""One trial of CompNet's experiments: a trained parent, one variant of it, trained on.

Parents are trained once for each seed and kept in a folder, by all that made them.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.compnet_data import Data, parts_of
from benchmarks.compnet_networks import Experiment
from benchmarks.compnet_training import Schedule, accuracy, train
from benchmarks.compnet_variants import VARIANTS, start


@dataclass(frozen=True)
class Plan:
    """What is the same for all trials of a run. calibrated_on: images, the first of those that are trained on.

    width: of the networks' first stage, where there is a choice.
    """

    data: Data
    parent: Schedule
    after: Schedule
    calibrated_on: int
    cache: Path
    device: str = "cpu"
    width: int | None = None

    def settings(self) -> dict[str, Any]:
        """All that results depend on, as plain data."""
        return {
            "data": self.data.name,
            "samples": self.data.samples,
            "width": self.width,
            "parent": asdict(self.parent),
            "after": asdict(self.after),
            "calibrated_on": self.calibrated_on,
        }


@dataclass(frozen=True)
class Trial:
    """One row of the results."""

    experiment: Experiment
    variant: str
    seed: int

    def key(self) -> dict[str, Any]:
        """What tells its row from others."""
        return {"experiment": self.experiment.name, "variant": self.variant, "seed": self.seed}


def run_trial(plan: Plan, trial: Trial) -> dict[str, Any]:
    """Start from the parent, test, train on; plain data. Accuracies are shares of the test images."""
    training, test = parts_of(plan.data)
    parent = trained_parent(plan, trial.experiment, trial.seed)
    begun = time.perf_counter()
    images = torch.from_numpy(training.images[: plan.calibrated_on])
    started = start(VARIANTS[trial.variant], trial.experiment, parent, images, trial.seed)
    inserted = time.perf_counter()
    at_insertion = accuracy(started.network, test, plan.device)
    trained = time.perf_counter()
    accuracies = train(started.network, training, test, plan.after, trial.seed, plan.device)
    return {
        **trial.key(),
        **started.facts,
        "redundant": trial.experiment.redundant,
        "parameters": sum(parameter.numel() for parameter in started.network.parameters()),
        "accuracy_parent": accuracy(parent, test, plan.device),
        "accuracy_at_insertion": at_insertion,
        "accuracies": accuracies,
        "best": max(accuracies),
        "seconds_to_insert": round(inserted - begun, 1),
        "seconds_to_train": round(time.perf_counter() - trained, 1),
    }


def trained_parent(plan: Plan, experiment: Experiment, seed: int) -> nn.Sequential:
    """The parent of a seed, from the folder if it is there."""
    path = parent_file(plan, experiment, seed)
    if path.is_file():
        parent = experiment.network()
        parent.load_state_dict(torch.load(path, weights_only=True))
        return parent.eval()
    training, test = parts_of(plan.data)
    torch.manual_seed(seed)
    parent = experiment.network()
    train(parent, training, test, plan.parent, seed, plan.device)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(parent.state_dict(), part)
    part.replace(path)
    return parent.eval()


def prepare_parent(plan: Plan, experiment: Experiment, seed: int) -> None:
    """Train a parent, if it is not there, before several trials ask for it."""
    trained_parent(plan, experiment, seed)


def parent_file(plan: Plan, experiment: Experiment, seed: int) -> Path:
    """Where a parent is kept; experiments with the same parent share it."""
    made_of = {
        "data": [plan.data.name, plan.data.samples],
        "schedule": asdict(plan.parent),
        "network": [experiment.parent, experiment.width, experiment.channels, experiment.dropout],
    }
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]
    return plan.cache / f"{experiment.parent}_{digest}_seed_{seed}.pt"

"""What is compared: the paper's prunings with and without an auxiliary layer, and our own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from benchmarks.auxiliary_training import Schedule
from graphmorph.training.auxiliary_layer import Start
from graphmorph.training.magnitude_pruning.smallest import Measure, Scope

#: The base accuracy (section III.A), and what may be lost of it (table III).
BASE = 0.9646
DROPS = (0.0046, 0.01)
#: What our own setting is to reach, with at most so many weights.
TARGET, TARGET_WEIGHTS = 0.96, 900
#: Our own setting prunes a fifth a step, down to these numbers of weights; one of them is the target.
LADDER = (
    *(round(15_600 * 0.8**step) for step in range(1, 13)),
    *(round(TARGET_WEIGHTS * 0.8**step) for step in range(4)),
)
#: At so many weights the rate changes.
SPARSE = 2_094
#: An auxiliary layer comes after this many of them.
FIRST_STEPS = 6
#: The most steps that the paper speaks of.
MAX_STEPS = 30


@dataclass(frozen=True)
class Layer:
    """An auxiliary layer. neurons: 0 for as many as there are before it."""

    start: Start
    neurons: int


@dataclass(frozen=True)
class PaperVariant:
    """rate: a static one, None for Algorithm 1. threshold: of the latter, before retraining. drop: after retraining.

    The paper does not say what its threshold is. Half a percent, its drop, gives first rates of 0.1, not 0.19 as in its
    table II, and dozens of steps.
    """

    rate: float | None
    drop: float
    threshold: float = 0.05
    layer: Layer | None = None


@dataclass(frozen=True)
class OwnVariant:
    """Global magnitude pruning. share: what goes in a step; at every number of LADDER the accuracy is measured."""

    share: float = 0.2
    layer: Layer | None = None


@dataclass(frozen=True)
class Setting:
    """One experiment: what rates mean, and how networks are trained.

    sparse: the schedule from SPARSE weights down, None for the same.
    """

    name: Literal["paper", "own"]
    schedule: Schedule
    measure: Measure
    scope: Scope
    sparse: Schedule | None = None

    def at(self, weights: int) -> Schedule:
        """The schedule for a network of so many weights."""
        return self.sparse if self.sparse is not None and weights < SPARSE else self.schedule


def paper_setting(measure: Measure = "magnitude", scope: Scope = "global", retrain: int = 3) -> Setting:
    """Weights as large as the paper's: of those of its first step, two thirds are above 0.2, and 0.46 in the mean."""
    return Setting("paper", Schedule(40, retrain, 3e-3, deviation=0.35, stop_at=BASE), measure, scope)


def own_setting(epochs: int = 8) -> Setting:
    """The rate falls to zero after each pruning, so that accuracy is what the weights allow at every number of them.

    Few weights want a larger rate: three times that of many adds half a point at 900. With many it kills neurons, whose
    weights stay as large as they were, and at last are all that global pruning leaves.
    """
    schedule = Schedule(12, epochs, 5e-3, annealed=True)
    return Setting("own", schedule, "share", "global", replace(schedule, rate=3 * schedule.rate))


def paper_variants() -> dict[str, PaperVariant]:
    """Tables III and IV."""
    found = {}
    for drop in DROPS:
        for rate in (0.2, 0.3, 0.4):
            found[f"static {rate:g}, drop {100 * drop:g}"] = PaperVariant(rate, drop)
        found[f"adaptive, drop {100 * drop:g}"] = PaperVariant(None, drop)
    for threshold in (0.005, 0.2):
        found[f"adaptive {100 * threshold:g}, drop {100 * DROPS[0]:g}"] = PaperVariant(None, DROPS[0], threshold)
    for neurons in (20, 40, 60):
        found[f"auxiliary {neurons}"] = PaperVariant(None, DROPS[0], layer=Layer("random", neurons))
    found["auxiliary identity"] = PaperVariant(None, DROPS[0], layer=Layer("identity", 0))
    return found


def own_variants() -> dict[str, OwnVariant]:
    """The slow one has about as many epochs as those with a layer, which go on with more weights."""
    return {
        "global": OwnVariant(),
        "global, slow": OwnVariant(share=0.1),
        "auxiliary random 20": OwnVariant(layer=Layer("random", 20)),
        "auxiliary random 40": OwnVariant(layer=Layer("random", 40)),
        "auxiliary compnet 40": OwnVariant(layer=Layer("compnet", 40)),
        "auxiliary identity": OwnVariant(layer=Layer("identity", 0)),
    }

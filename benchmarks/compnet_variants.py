"""What a trained parent becomes in CompNet's experiments: by its algorithms, by its peers, or nothing at all."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

import graphmorph
from benchmarks.compnet_networks import Experiment
from graphmorph.layer_insertion.initialisation import Initialisation
from graphmorph.layer_insertion.report import InsertReport
from graphmorph.layer_insertion.settings import Algorithm

#: λ and α of CompNet (section 3.1).
PENALTY = ALPHA = 0.1
POSITIONS = 10
CAPTURED_AT_ONCE = 100


@dataclass(frozen=True)
class Variant:
    """algorithm: None where no layer is inserted. share: survivors of N_redundant; None: as many as λ leaves.

    channels: "redundant" is N_redundant, "sparse" what compnet-2 leaves at λ, "same" as many as the layer reads.
    """

    title: str
    algorithm: Algorithm | Literal["scratch", "parent"]
    share: float | None = None
    channels: Literal["redundant", "sparse", "same"] = "redundant"
    initialisation: Initialisation = "auto"


VARIANTS = {
    "compnet-1": Variant("algorithm 1, λ = 0.1", "compnet-1"),
    "compnet-2": Variant("algorithm 2, λ = 0.1", "compnet-2"),
    "compnet-3": Variant("algorithm 3, λ = 0.1", "compnet-3"),
    "compnet-2-quarter": Variant("algorithm 2, a quarter survives", "compnet-2", 0.25),
    "compnet-3-quarter": Variant("algorithm 3, a quarter survives", "compnet-3", 0.25),
    "compnet-3-middle": Variant(
        "algorithm 3 from middle taps, 15 % survive", "compnet-3", 0.15, "redundant", "he-middle"
    ),
    "netmorph-oracle": Variant("NetMorph-Oracle", "netmorph", None, "sparse"),
    "netmorph-redundant": Variant("NetMorph-Redundant", "netmorph"),
    "net2deeper": Variant("Net2DeeperNet", "net2deeper", None, "same"),
    "scratch": Variant("from scratch", "scratch"),
    "control": Variant("no layer (control)", "parent"),
}


@dataclass(frozen=True, eq=False)
class Started:
    """A network to train on, and how it came about: `facts` for its row of results."""

    network: nn.Module
    facts: dict[str, Any]


def start(variant: Variant, experiment: Experiment, parent: nn.Module, images: Tensor, seed: int) -> Started:
    """The network that a variant starts from.

    Args:
        parent: trained; it stays as it is.
        images: (samples, channels, height, width), those that algorithms are calibrated on.
        seed: of the new layer's first weights and the positions of rows, or of all weights.
    """
    if variant.algorithm == "parent":
        return Started(copy.deepcopy(parent), {"channels": None, "explained": None})
    if variant.algorithm == "scratch":
        torch.manual_seed(seed)
        return Started(experiment.deeper_network(), {"channels": experiment.redundant, "explained": None})
    deeper, report = inserted(variant, experiment, parent, images, seed)
    layer = report.layer
    explained = None if layer.explained is None else round(float(np.mean(layer.explained)), 6)
    facts = {"channels": layer.kept, "explained": explained, "notes": list(report.notes)}
    return Started(deeper, facts)


def inserted(
    variant: Variant, experiment: Experiment, parent: nn.Module, images: Tensor, seed: int
) -> tuple[nn.Module, InsertReport]:
    """The parent with the new layer in it, and how that went."""
    deeper = graphmorph.insert_layer(
        parent,
        after=str(experiment.after),
        example_inputs=images[:2],
        calibration=list(images.split(CAPTURED_AT_ONCE)),
        algorithm=variant.algorithm,
        channels=_channels(variant, experiment, parent, images, seed),
        activation=experiment.activation,
        initialisation=variant.initialisation,
        survivors=None if variant.share is None else max(1, round(variant.share * experiment.redundant)),
        penalty=PENALTY,
        alpha=ALPHA,
        positions=POSITIONS,
        seed=seed,
        latency=False,
    )
    report: InsertReport = deeper.__dict__["report"]
    return deeper, report


def _channels(variant: Variant, experiment: Experiment, parent: nn.Module, images: Tensor, seed: int) -> int:
    if variant.channels == "same":
        return 0
    if variant.channels == "redundant":
        return experiment.redundant
    _, report = inserted(VARIANTS["compnet-2"], experiment, parent, images, seed)
    return report.layer.kept


def possible(names: Iterable[str], experiment: Experiment) -> list[str]:
    """Those that there can be: Net2DeeperNet needs a relu."""
    return [name for name in names if name != "net2deeper" or experiment.activation == "relu"]

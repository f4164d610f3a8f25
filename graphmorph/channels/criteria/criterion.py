"""Which criterion scores units, and with what options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.groups import Group
from graphmorph.errors import UsageError
from graphmorph.option_values import require_whole

CriterionName = Literal[
    "l1", "l2", "bn-scale", "geometric-median", "kse", "random", "mean-activation", "apoz", "reconstruction"
]
Members = Literal["producers", "all"]
Aggregation = Literal["mean", "sum", "max"]
Normalisation = Literal["mean", "max", "none"]
Sparsity = Literal["one", "l1"]

#: By name of the group: a number for each unit, (units,), or for each of its channels, (units, places).
Statistics = Mapping[str, NDArray[np.float64]]

#: How much each unit of a group is needed to rebuild what its readers make of it, (units,); None where it cannot tell.
#: `graphmorph.regression.selection` has what it takes: entry_penalties, or the factors and the order of select.
Reconstruction = Callable[[Group], NDArray[np.float64] | None]


@dataclass(frozen=True)
class Criterion:
    """How units are scored; a larger score is a more important unit.

    members: which weights count for l1 and l2: those that make the channels, or also those that read them and the
    scales between (the group importance of Torch-Pruning: Fang et al., CVPR 2023, equation 4, without the biases).
    aggregation: of the layers of a group, into one score a unit. normalisation: divides the scores of each group by
    their mean or their largest, so that groups can compete. seed: of random. neighbours, alpha, sparsity: k, α and
    s_c of KSE.
    """

    name: CriterionName = "l2"
    members: Members = "producers"
    aggregation: Aggregation = "mean"
    normalisation: Normalisation = "mean"
    seed: int = 0
    neighbours: int = 5
    alpha: float = 1.0
    sparsity: Sparsity = "one"

    def __post_init__(self) -> None:
        for field, allowed in _ALLOWED.items():
            if getattr(self, field) not in allowed:
                raise UsageError(f"{field} {getattr(self, field)!r} is none of {', '.join(allowed)}")
        require_whole("criterion seed", self.seed, least=0)
        if self.neighbours < 1:
            raise UsageError(f"neighbours {self.neighbours}: at least 1")
        if self.alpha < 0:
            raise UsageError(f"alpha {self.alpha}: not below 0")


_ALLOWED: dict[str, tuple[str, ...]] = {
    "name": get_args(CriterionName),
    "members": get_args(Members),
    "aggregation": get_args(Aggregation),
    "normalisation": get_args(Normalisation),
    "sparsity": get_args(Sparsity),
}

"""What an insertion did, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from graphmorph.layer_insertion.insertion import Insertion
from graphmorph.layer_insertion.settings import LayerSettings
from graphmorph.pruning.change import Change, Latency
from graphmorph.report import ModelSummary, PassReport

if TYPE_CHECKING:
    from graphmorph.proof import Proof


@dataclass(frozen=True)
class LayerReport:
    """The new layer. redundant, kept: N_redundant and N_sparse. explained: R² of each output of the next layer, on
    `rows` rows of calibration data; None where there were none. penalty: λ."""

    name: str
    place: str
    algorithm: str
    kind: str
    activation: str
    kernel: tuple[int, ...]
    redundant: int
    kept: int
    parameters: int
    explained: tuple[float, ...] | None
    rows: int
    penalty: float | None

    def to_json(self) -> dict[str, Any]:
        explained = self.explained
        summary = {} if not explained else {"explained_mean": _mean(explained), "explained_least": min(explained)}
        return {**self.__dict__, "kernel": list(self.kernel), **summary}


@dataclass
class InsertReport:
    """proof: of an algorithm that changes nothing. change: how far the result is from the original, on the inputs that
    were given or else the calibration data. peak_bytes: of this process and its largest child."""

    model: str
    before: ModelSummary
    after: ModelSummary
    layer: LayerReport
    passes: list[PassReport]
    proof: Proof | None = None
    change: Change | None = None
    latency: Latency | None = None
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "layer": self.layer.to_json(),
            "passes": [one.to_json() for one in self.passes],
            "proof": self.proof.to_json() if self.proof else None,
            "change": self.change.to_json() if self.change else None,
            "latency": self.latency.to_json() if self.latency else None,
            "files": self.files,
            "notes": self.notes,
            "seconds": self.seconds,
            "peak_bytes": self.peak_bytes,
        }


def layer_report(insertion: Insertion, settings: LayerSettings) -> LayerReport:
    """The part that is about the new layer."""
    layer, first = insertion.layer, insertion.layer.first
    return LayerReport(
        name=insertion.name,
        place=str(insertion.place),
        algorithm=settings.algorithm,
        kind=insertion.place.kind,
        activation=first.activation,
        kernel=first.weight.shape[2:],
        redundant=layer.redundant,
        kept=first.channels,
        parameters=first.weight.size + first.bias.size,
        explained=None if layer.explained is None else tuple(layer.explained.tolist()),
        rows=layer.rows,
        penalty=layer.penalty,
    )


def peak_bytes() -> int:
    """Peak resident memory of this process and of its largest child, together; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own + children) * 1024


def _mean(values: tuple[float, ...]) -> float:
    return float(np.mean(values))

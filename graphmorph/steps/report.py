"""What a pipeline did, as plain data: each step against its own input, and the whole against the original."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from graphmorph.layer_insertion.report import InsertReport
from graphmorph.pruning.report import PruneReport
from graphmorph.report import ModelSummary, PassReport, Report

if TYPE_CHECKING:
    from graphmorph.proof import Proof

#: equal: to its input. equal to the mask: to its input with the removed channels masked. measured: it is meant to
#: change outputs, and it is said by how much. certified: onnxruntime has no such operators, but the algebra says equal.
StepVerdict = Literal[
    "equal", "equal to the mask", "measured", "certified", "rolled back", "different", "inconclusive", "unproven"
]


@dataclass(frozen=True)
class OutputsChange:
    """Over all inputs that were run, of the output where it is worst; argmax_agreement: share of rows whose largest
    element is the same, None where no output has rows."""

    max_abs: float
    cosine: float
    argmax_agreement: float | None


@dataclass(frozen=True)
class StepReport:
    """One step. asked: its options as they were given. report: what the step's own command reports."""

    number: int
    run: str
    asked: Mapping[str, Any]
    report: Report | PruneReport | InsertReport
    exit_code: int
    seconds: float

    @property
    def before(self) -> ModelSummary:
        return self.report.before

    @property
    def after(self) -> ModelSummary:
        return self.report.after

    @property
    def exact(self) -> bool:
        """Whether it was to keep the function."""
        if isinstance(self.report, Report):
            return not self.report.approximate
        return isinstance(self.report, InsertReport) and self.report.proof is not None

    @property
    def proof(self) -> Proof | None:
        """Of the step against its input, or against what its input is with the removed channels masked."""
        return self.report.removal if isinstance(self.report, PruneReport) else self.report.proof

    @property
    def verdict(self) -> StepVerdict:
        """What is known of the step."""
        if isinstance(self.report, Report) and self.report.rolled_back:
            return "rolled back"
        if self.proof is not None:
            return self._proven(self.proof)
        if self.change is None:
            return "unproven"
        return "different" if self.exit_code else "measured"

    def _proven(self, proof: Proof) -> StepVerdict:
        if proof.verdict == "equal":
            return "equal to the mask" if isinstance(self.report, PruneReport) else "equal"
        if self.exit_code == 0:
            return "measured" if proof.verdict == "different" else "certified"
        return proof.verdict

    @property
    def change(self) -> OutputsChange | None:
        """How far its outputs are from those of its input."""
        if isinstance(self.report, Report):
            return change_of(self.report.proof)
        return None if self.report.change is None else _worst(self.report.change.outputs)

    @property
    def rewrites(self) -> int:
        """How many there were; clean-up is not counted."""
        passes: list[PassReport] = self.report.passes
        return sum(len(one.rewrites) for one in passes if not one.cleanup)

    def to_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "run": self.run,
            "asked": {name: plain(value) for name, value in self.asked.items()},
            "verdict": self.verdict,
            "exact": self.exact,
            "change": asdict(self.change) if self.change else None,
            "rewrites": self.rewrites,
            "exit_code": self.exit_code,
            "seconds": self.seconds,
            "report": self.report.to_json(),
        }


@dataclass
class PipelineReport:
    """whole: the proof of the last step's result against the original model; None where a step failed before, or no
    proof was asked for. Where a step is not exact it measures, and judges nothing."""

    model: str
    pipeline: str
    steps: list[StepReport]
    whole: Proof | None = None
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def before(self) -> ModelSummary:
        return self.steps[0].before

    @property
    def after(self) -> ModelSummary:
        return self.steps[-1].after

    @property
    def exact(self) -> bool:
        """Whether every step was to keep the function."""
        return all(step.exact for step in self.steps)

    @property
    def change(self) -> OutputsChange | None:
        """How far the outputs are from those of the original model."""
        return change_of(self.whole)

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "pipeline": self.pipeline,
            "exact": self.exact,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "steps": [step.to_json() for step in self.steps],
            "whole": self.whole.to_json() if self.whole else None,
            "change": asdict(self.change) if self.change else None,
            "files": self.files,
            "notes": self.notes,
            "seconds": self.seconds,
        }


def plain(value: Any) -> Any:
    """The value of an option as it stands in a file; of data in memory, its type."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value if isinstance(value, str | int | float) or value is None else type(value).__name__


def change_of(proof: Proof | None) -> OutputsChange | None:
    """What a proof measured, as written."""
    cases = proof.cases if proof is not None else ()
    return _worst(output.metrics for case in cases for output in case.as_written if output.metrics is not None)


def _worst(outputs: Iterable[Any]) -> OutputsChange | None:
    found = list(outputs)
    if not found:
        return None
    agreements = [one.argmax_agreement for one in found if one.argmax_agreement is not None]
    return OutputsChange(
        max(one.max_abs for one in found), min(one.cosine for one in found), min(agreements, default=None)
    )

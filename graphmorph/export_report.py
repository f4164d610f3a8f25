"""What an export did, as plain data: each step with its time, both proofs, and the sizes before and after."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from graphmorph.errors import VerificationError
from graphmorph.report import ModelSummary, PassReport, Report

if TYPE_CHECKING:
    from graphmorph.inspection import Port
    from graphmorph.proof import Proof

Step = Literal["torch fusion", "exporter", "clean-up"]


@dataclass
class ExportReport:
    """Everything that one export has to say.

    before: the module as it was traced, or the file as it was exported where it was not. exported: the file before
    clean-up. fusion: the report of the fusion in torch, with the proof of original against fused, or None where there
    was none. proof: the original module against the file that was written. failed_step: what changed the outputs.
    seconds: by step.
    """

    model: str
    exporter: str
    opset: int
    inputs: list[Port]
    outputs: list[Port]
    before: ModelSummary
    exported: ModelSummary
    after: ModelSummary
    passes: list[PassReport]
    fusion: Report | None = None
    proof: Proof | None = None
    failed_step: Step | None = None
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "model": self.model,
            "exporter": self.exporter,
            "opset": self.opset,
            "inputs": [asdict(port) for port in self.inputs],
            "outputs": [asdict(port) for port in self.outputs],
            "before": self.before.to_json(),
            "exported": self.exported.to_json(),
            "after": self.after.to_json(),
            "fusion": self.fusion.to_json() if self.fusion else None,
            "clean_up": [one.to_json() for one in self.passes],
            "proof": self.proof.to_json() if self.proof else None,
            "failed_step": self.failed_step,
            "files": self.files,
            "notes": self.notes,
            "seconds": self.seconds,
        }


class ExportError(VerificationError):
    """The file computes something else than the module, and was not written; `report` has the proof."""

    def __init__(self, message: str, report: ExportReport) -> None:
        super().__init__(message)
        self.report = report

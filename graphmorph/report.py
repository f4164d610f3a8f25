"""What a run did, as plain data: every rewrite made, every one refused with its reason, and the proof."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphmorph.affine.certificate import Certificate
    from graphmorph.proof import Proof


@dataclass(frozen=True)
class ModelSummary:
    """Size of a model. `macs` counts the multiply-adds of one run, or None where the shapes do not say."""

    nodes: int
    operators: dict[str, int]
    parameters: int
    weight_bytes: int
    macs: int | None
    branch_adds: int

    @property
    def convolutions(self) -> int:
        return self.operators.get("Conv", 0) + self.operators.get("ConvTranspose", 0)

    @property
    def batchnorms(self) -> int:
        return self.operators.get("BatchNormalization", 0)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "convolutions": self.convolutions, "batchnorms": self.batchnorms}


@dataclass(frozen=True)
class RefusalReport:
    """A site that was considered and left exactly as it was."""

    pass_name: str
    node: str
    op: str
    reason: str


@dataclass(frozen=True)
class RewriteReport:
    """One rewrite: nodes by name before and after; multiply-adds per position of the source, where known."""

    pass_name: str
    root: str
    summary: str
    nodes_before: list[str]
    nodes_after: list[str]
    parameters_before: int
    parameters_after: int
    macs_before: float | None = None
    macs_after: float | None = None
    certificate: Certificate | None = None

    def to_json(self) -> dict[str, Any]:
        plain = {name: value for name, value in vars(self).items() if name != "certificate"}
        plain["certificate"] = self.certificate.to_json() if self.certificate else None
        return plain


@dataclass
class PassReport:
    """One pass of the pipeline. `kind` is "exact" or "approximate"; `rounds` counts its searches."""

    name: str
    kind: str
    cleanup: bool = False
    seconds: float = 0.0
    rounds: int = 0
    rewrites: list[RewriteReport] = field(default_factory=list)
    refusals: list[RefusalReport] = field(default_factory=list)
    grows: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "cleanup": self.cleanup,
            "seconds": self.seconds,
            "rounds": self.rounds,
            "rewrites": [rewrite.to_json() for rewrite in self.rewrites],
            "refusals": [asdict(refusal) for refusal in self.refusals],
        }


@dataclass
class Report:
    """Everything that a run of the pipeline has to say about one model."""

    model: str
    before: ModelSummary
    after: ModelSummary
    passes: list[PassReport]
    rolled_back: list[RewriteReport] = field(default_factory=list)
    proof: Proof | None = None
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rewrites(self) -> list[RewriteReport]:
        return [rewrite for one in self.passes for rewrite in one.rewrites]

    @property
    def refusals(self) -> list[RefusalReport]:
        return [refusal for one in self.passes for refusal in one.refusals]

    @property
    def changed(self) -> bool:
        """Whether any pass edited the graph."""
        return bool(self.rewrites)

    @property
    def approximate(self) -> bool:
        """Whether a rewrite was made that does not keep the function: the proof then measures, and judges nothing."""
        return any(one.kind == "approximate" and one.rewrites for one in self.passes)

    @property
    def deploy_form(self) -> bool:
        """Whether the model came in its deploy form: nothing but clean-up was left to do."""
        return not self.rolled_back and not any(one.rewrites for one in self.passes if not one.cleanup)

    @property
    def certificates(self) -> dict[str, int]:
        """Verdicts of the certificates, counted; empty when none were asked for."""
        return dict(Counter(r.certificate.verdict for r in self.rewrites if r.certificate is not None))

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "changed": self.changed,
            "deploy_form": self.deploy_form,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "passes": [one.to_json() for one in self.passes],
            "rolled_back": [rewrite.to_json() for rewrite in self.rolled_back],
            "certificates": self.certificates,
            "proof": self.proof.to_json() if self.proof else None,
            "files": self.files,
            "notes": self.notes,
            "seconds": self.seconds,
        }

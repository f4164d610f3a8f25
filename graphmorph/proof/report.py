"""What a proof found, as plain data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Verdict = Literal["equal", "different", "inconclusive"]

_EXIT_CODES: dict[str, int] = {"equal": 0, "different": 1, "inconclusive": 2}


@dataclass(frozen=True)
class Metrics:
    """How far a candidate's output is from the reference's, over the elements where both are finite.

    `max_rel` looks only at elements whose reference is above the noise scale. `mismatches` is the number of
    elements that differ at all (the measure for integers, booleans, strings). `nonfinite_mismatches` counts
    the elements where NaN or Inf do not agree. The worst element is the one furthest beyond its tolerance.
    """

    elements: int
    max_abs: float
    max_rel: float
    rms: float
    cosine: float
    argmax_agreement: float | None
    mismatches: int
    nonfinite: int
    nonfinite_mismatches: int
    worst_index: tuple[int, ...] | None
    worst_reference: float | str | None
    worst_candidate: float | str | None


@dataclass(frozen=True)
class OutputReport:
    """One output of one case. `tolerance` and `noise_floor` are absolute, those at the worst element.

    `required_atol` is the absolute tolerance that would pass; `excess` is the largest error over its
    tolerance (up to 1 passes); `second_opinion` tells that the floor was raised by running the reference on
    inputs that differ in the last bit.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    passed: bool
    problem: str | None
    metrics: Metrics | None
    noise_floor: float = 0.0
    tolerance: float = 0.0
    required_atol: float = 0.0
    excess: float = 0.0
    second_opinion: bool = False


@dataclass(frozen=True)
class CaseReport:
    """One set of inputs: its shapes, how it was made (seed and style, or the user's data), and each output.

    `as_written` was run with onnxruntime's optimizations off, `as_deployed` with them on (None: not run).
    """

    shapes: dict[str, tuple[int, ...]]
    source: str
    style: str
    sample: int
    seed: int | None
    as_written: tuple[OutputReport, ...]
    as_deployed: tuple[OutputReport, ...] | None

    @property
    def outputs(self) -> tuple[OutputReport, ...]:
        """Both judgements in one sequence."""
        return self.as_written + (self.as_deployed or ())


@dataclass(frozen=True)
class Proof:
    """The outcome of a comparison.

    `unsupported` tells an inconclusive verdict that comes from an operator or type onnxruntime does not have.
    `first_difference` is the first tensor, in topological order, where the two models part.
    """

    verdict: Verdict
    reason: str
    cases: tuple[CaseReport, ...] = ()
    first_difference: str | None = None
    notes: tuple[str, ...] = ()
    unsupported: bool = False
    accuracy: dict[str, float] | None = None
    float64_error: dict[str, dict[str, float]] | None = None
    seconds: float = 0.0
    reference: str = ""
    candidate: str = ""
    providers: tuple[str, ...] = field(default=("CPUExecutionProvider",))

    @property
    def exit_code(self) -> int:
        """0 equal, 1 different, 2 could not be compared."""
        return _EXIT_CODES[self.verdict]

    @property
    def worst(self) -> OutputReport | None:
        """The output report that is furthest beyond (or nearest to) its tolerance."""
        reports = [report for case in self.cases for report in case.outputs]
        return max(reports, key=lambda report: (not report.passed, report.excess), default=None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; NaN and infinities become strings."""
        return {**_plain(asdict(self)), "exit_code": self.exit_code}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value

"""The verdict: errors against tolerances, one output at a time, then all of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graphmorph.proof.compare import elementwise, excess_over, is_discrete, measure
from graphmorph.proof.noise import given_tolerance, noise_tolerance
from graphmorph.proof.report import CaseReport, OutputReport, Verdict

Outputs = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Limits:
    """The user's tolerances; both None means that the measured noise decides."""

    rtol: float | None = None
    atol: float | None = None

    @property
    def given(self) -> bool:
        """Whether the user gave any."""
        return self.rtol is not None or self.atol is not None


def judge_outputs(
    reference: Outputs,
    candidate: Outputs,
    floors: Mapping[str, np.ndarray],
    limits: Limits,
    *,
    unstable: Mapping[str, np.ndarray] | None = None,
    second_opinion: bool = False,
) -> tuple[OutputReport, ...]:
    """One report for each output of the reference, and one for each output that only the candidate has.

    Args:
        floors: noise floor of each output.
        unstable: elements, by output, where the reference disagrees with itself on NaN or Inf: not judged.
    """
    reports = [
        _judge_output(
            name, array, candidate.get(name), floors[name], limits, (unstable or {}).get(name), second_opinion
        )
        for name, array in reference.items()
    ]
    extra = [name for name in candidate if name not in reference]
    reports += [_failed(name, candidate[name], "only the candidate has this output") for name in extra]
    return tuple(reports)


def _judge_output(
    name: str,
    reference: np.ndarray,
    candidate: np.ndarray | None,
    floor: np.ndarray,
    limits: Limits,
    unstable: np.ndarray | None,
    second_opinion: bool,
) -> OutputReport:
    if candidate is None:
        return _failed(name, reference, "the candidate lacks this output")
    if candidate.dtype != reference.dtype:
        return _failed(name, reference, f"dtype {reference.dtype.name} became {candidate.dtype.name}")
    if candidate.shape != reference.shape:
        return _failed(name, reference, f"shape {reference.shape} became {candidate.shape}")
    errors = elementwise(reference, candidate)
    discrete = is_discrete(reference)
    if limits.given:
        tolerance = given_tolerance(reference, limits.rtol, limits.atol)
    else:
        tolerance = noise_tolerance(floor, reference.dtype)
    metrics = measure(reference, candidate, errors, tolerance, float(floor.max(initial=0.0)))
    mismatch = errors.nonfinite_mismatch if unstable is None else errors.nonfinite_mismatch & ~unstable
    # Discrete outputs: the share of elements that differ is held against the share that noise alone flips.
    share = np.full((1,) * reference.ndim, metrics.mismatches / max(1, metrics.elements))
    error = share if discrete else errors.error
    excess = _excess(error, tolerance)
    problem = None
    if mismatch.any():
        problem = f"{np.count_nonzero(mismatch)} of {metrics.elements} elements differ in NaN or Inf"
    elif excess > 1.0 and discrete:
        problem = f"{metrics.mismatches} of {metrics.elements} elements differ"
    elif excess > 1.0:
        problem = f"error {_at_worst(errors.error, metrics.worst_index):.3g}"
        problem += f" is above the tolerance {_at_worst(tolerance, metrics.worst_index):.3g}"
    return OutputReport(
        name=name,
        dtype=reference.dtype.name,
        shape=reference.shape,
        passed=problem is None,
        problem=problem,
        metrics=metrics,
        noise_floor=_at_worst(floor, metrics.worst_index),
        tolerance=_at_worst(tolerance, metrics.worst_index),
        required_atol=metrics.max_abs,
        excess=excess,
        second_opinion=second_opinion,
    )


def overall(cases: Sequence[CaseReport], blind: Sequence[str]) -> tuple[Verdict, str]:
    """Verdict and reason over all cases.

    Args:
        blind: outputs whose reference had no finite element in any case, on which nothing can be said.
    """
    failed = [(case, report) for case in cases for report in case.outputs if not report.passed]
    if failed:
        case, report = max(failed, key=lambda pair: pair[1].excess)
        where = "as written" if report in case.as_written else "as deployed"
        shapes = ", ".join(f"{name} {list(shape)}" for name, shape in case.shapes.items())
        detail = report.problem or "differs"
        if report.metrics is not None and report.metrics.worst_index is not None:
            worst = report.metrics
            detail += f", worst at {list(report.metrics.worst_index)}"
            detail += f" ({worst.worst_reference} became {worst.worst_candidate})"
        return "different", f"output {report.name}, {where}, inputs {shapes or 'none'}: {detail}"
    if blind:
        return "inconclusive", (
            f"the reference has no finite value in output {', '.join(blind)}, so nothing was compared; "
            "give real data with --inputs"
        )
    if not any(report.metrics and report.metrics.elements for case in cases for report in case.outputs):
        return "inconclusive", "all outputs are empty, so nothing was compared; give sizes with --shape"
    return "equal", f"all outputs agree within the tolerance in {len(cases)} case(s)"


def _excess(error: np.ndarray, tolerance: np.ndarray) -> float:
    if error.size == 0:
        return 0.0
    return float(excess_over(error, tolerance).max())


def _at_worst(values: np.ndarray, index: tuple[int, ...] | None) -> float:
    if values.size == 0:
        return 0.0
    if index is None:
        return float(values.max())
    return float(values[tuple(min(i, n - 1) for i, n in zip(index, values.shape, strict=True))])


def _failed(name: str, array: np.ndarray, problem: str) -> OutputReport:
    excess = float("inf")
    return OutputReport(name, array.dtype.name, array.shape, False, problem, None, excess=excess)

"""For the tests of those who use graphmorph: `from graphmorph.testing import assert_equivalent`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphmorph.proof import CaseReport, OutputReport, Proof, verify

if TYPE_CHECKING:
    from graphmorph.proof.session import Model

_HEADER = ("", "output", "run", "inputs", "max error", "tolerance", "cosine", "problem")


def assert_equivalent(reference: Model, candidate: Model, **options: Any) -> Proof:
    """Assert that two models compute the same, within the rounding noise of the reference.

    Args:
        reference, candidate: files, graphs or ModelProtos.
        options: those of `graphmorph.verify`.

    Returns the proof. Raises AssertionError, with a table of all outputs, when the models differ and also
    when they could not be compared.
    """
    proof = verify(reference, candidate, **options)
    if proof.verdict == "equal":
        return proof
    raise AssertionError(describe(proof))


def describe(proof: Proof) -> str:
    """The proof as text: verdict and reason, then one line for each output of each case."""
    lines = [f"models are {proof.verdict}: {proof.reason}"]
    if proof.first_difference is not None:
        lines.append(f"first tensor that differs: {proof.first_difference}")
    lines += [f"note: {note}" for note in proof.notes]
    rows: list[tuple[str, ...]] = [_HEADER]
    for case in proof.cases:
        rows += [_row("as written", case, report) for report in case.as_written]
        rows += [_row("as deployed", case, report) for report in case.as_deployed or ()]
    if len(rows) > 1:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join(lines)


def _row(run: str, case: CaseReport, report: OutputReport) -> tuple[str, ...]:
    inputs = " ".join(f"{name}{list(shape)}" for name, shape in case.shapes.items())
    error = f"{report.metrics.max_abs:.3g}" if report.metrics else "-"
    cosine = f"{report.metrics.cosine:.6f}" if report.metrics else "-"
    mark = "ok" if report.passed else "FAIL"
    return mark, report.name, run, inputs, error, f"{report.tolerance:.3g}", cosine, report.problem or ""

"""The proof on the terminal: error, noise floor and tolerance of each output, as written and as deployed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from graphmorph.cli.numbers import MISSING, duration, error, percent, plural
from graphmorph.cli.terminal import body, heading, indented, table

if TYPE_CHECKING:
    from graphmorph.proof.report import CaseReport, OutputReport, Proof

VERDICT_STYLE = {"equal": "bold green", "different": "bold red", "inconclusive": "bold yellow"}
OUTPUTS_SHOWN = 12
RUNS = ("as written", "as deployed")  # onnxruntime's optimizations off, and on


def render_proof(proof: Proof, *, verbose: bool = False) -> list[RenderableType]:
    """The verdict with its numbers: the worst case of each output, or with `verbose` every case."""
    parts: list[RenderableType] = [
        Text.assemble(
            heading("proof "),
            (proof.verdict, VERDICT_STYLE[proof.verdict]),
            (f"  {plural(len(proof.cases), 'set')} of inputs, {duration(proof.seconds)}", "dim"),
        )
    ]
    if proof.verdict != "equal":
        parts.append(indented(proof.reason))
    if proof.cases:
        rows = [row for case in proof.cases for row in _rows_of(case)]
        if not verbose:
            rows = _worst_rows(rows)
        parts.append(body(_table(rows, verbose=verbose)))
        if len(rows) > OUTPUTS_SHOWN and not verbose:
            parts.append(indented(f"and {plural(len(rows) - OUTPUTS_SHOWN, 'row')} more: --verbose lists all", "dim"))
    return [*parts, *_details(proof)]


Row = tuple["CaseReport", str, "OutputReport"]


def _rows_of(case: CaseReport) -> Iterator[Row]:
    for run, outputs in zip(RUNS, (case.as_written, case.as_deployed or ()), strict=True):
        yield from ((case, run, output) for output in outputs)


def _worst_rows(rows: Sequence[Row]) -> list[Row]:
    """Of each output and run, the case that is nearest to its tolerance, or furthest beyond."""
    worst: dict[tuple[str, str], Row] = {}
    for row in rows:
        _, run, output = row
        held = worst.get((output.name, run))
        if held is None or (not output.passed, output.excess) > (not held[2].passed, held[2].excess):
            worst[output.name, run] = row
    # Failures first, where they are seen even when not all rows are shown.
    return sorted(worst.values(), key=lambda row: row[2].passed)


def _table(rows: Sequence[Row], *, verbose: bool) -> RenderableType:
    columns = ["output", "run", "max error", "noise floor", "tolerance", "used", ""]
    result = table(*columns, *(["relative", "cosine", "inputs"] if verbose else []), numbers_from=2)
    for case, run, output in rows if verbose else rows[:OUTPUTS_SHOWN]:
        cells: list[str | Text] = [output.name, run, *_numbers(output), _mark(output)]
        if verbose:
            sizes = "; ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in case.shapes.items())
            metrics = output.metrics
            cells += [MISSING] * 2 if metrics is None else [error(metrics.max_rel), f"{metrics.cosine:.9f}"]
            cells.append(f"{case.source} {sizes}")
        result.add_row(*cells)
    return result


def _numbers(output: OutputReport) -> list[str]:
    """Errors, floor, tolerance, and the share of the tolerance that the worst element uses."""
    metrics = output.metrics
    if metrics is None:
        return [MISSING] * 4
    return [
        error(metrics.max_abs),
        error(output.noise_floor),
        error(output.tolerance),
        f"{100 * output.excess:.0f} %" if output.excess < 100 else f"{output.excess:.0e} x",
    ]


def _mark(output: OutputReport) -> Text:
    return Text("equal", "green") if output.passed else Text("different", "red")


def _details(proof: Proof) -> Iterator[RenderableType]:
    if proof.verdict == "different" and proof.worst is not None:
        yield indented(f"an absolute tolerance of {proof.worst.required_atol:.3g} would pass: --atol", "dim")
    if proof.first_difference is not None:
        yield Text.assemble("  the models part at ", (proof.first_difference, "bold"))
    if proof.float64_error is not None:
        yield from _float64(proof.float64_error)
    if proof.accuracy is not None:
        before, after = proof.accuracy["before"], proof.accuracy["after"]
        yield Text.assemble("  accuracy ", (percent(before), "bold"), " before, ", (percent(after), "bold"), " after")
    yield from (indented(note, "dim") for note in proof.notes)


def _float64(errors: dict[str, dict[str, float]]) -> Iterator[RenderableType]:
    """Error of both models against a float64 run of the reference."""
    result = table("against float64", *next(iter(errors.values()), {}))
    for name, values in errors.items():
        result.add_row(name, *(error(value) for value in values.values()))
    yield body(result)

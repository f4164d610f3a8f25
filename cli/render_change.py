"""How much the outputs of an approximate rewrite differ from those of the original: measures, and no verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from graphmorph.cli.numbers import MISSING, duration, error, percent, plural
from graphmorph.cli.terminal import body, heading, indented, table

if TYPE_CHECKING:
    from graphmorph.proof.report import CaseReport, OutputReport, Proof


def render_change(proof: Proof, *, verbose: bool = False) -> list[RenderableType]:
    """The largest change of each output over all cases, or with `verbose` that of every case."""
    sets = f"over {plural(len(proof.cases), 'set')} of inputs, {duration(proof.seconds)}"
    parts: list[RenderableType] = [heading("change of the outputs", sets)]
    if proof.verdict == "inconclusive":
        parts.append(indented(proof.reason))
    rows = [(case, output) for case in proof.cases for output in case.as_written]
    if not verbose:
        rows = list(_largest(rows))
    if rows:
        result = table("output", "max change", "relative", "cosine", "same class", "inputs", numbers_from=1)
        for case, output in rows:
            sizes = "; ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in case.shapes.items())
            result.add_row(output.name, *_numbers(output), sizes)
        parts.append(body(result))
    if proof.accuracy is not None:
        before, after = proof.accuracy["before"], proof.accuracy["after"]
        parts.append(Text(f"  accuracy {percent(before)} before, {percent(after)} after"))
    return [*parts, *(indented(note, "dim") for note in proof.notes)]


def _largest(rows: list[tuple[CaseReport, OutputReport]]) -> Iterator[tuple[CaseReport, OutputReport]]:
    names = dict.fromkeys(output.name for _, output in rows)
    for name in names:
        yield max((row for row in rows if row[1].name == name), key=lambda row: row[1].required_atol)


def _numbers(output: OutputReport) -> list[str]:
    metrics = output.metrics
    if metrics is None:
        return [output.problem or MISSING, MISSING, MISSING, MISSING]
    agreement = MISSING if metrics.argmax_agreement is None else percent(metrics.argmax_agreement)
    return [error(metrics.max_abs), error(metrics.max_rel), f"{metrics.cosine:.4f}", agreement]

"""The report of `graphmorph export` on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from graphmorph.cli.numbers import duration, plural
from graphmorph.cli.render_inspection import ports_table
from graphmorph.cli.render_proof import render_proof
from graphmorph.cli.render_report import model_table, refusal_section, rewrite_lines, rolled_back_section
from graphmorph.cli.terminal import body, heading, indented, table

if TYPE_CHECKING:
    from graphmorph.export_report import ExportReport
    from graphmorph.report import PassReport


def render_export(report: ExportReport, *, verbose: bool = False) -> RenderableType:
    """What went in and came out, what each step did, and the proofs."""
    versions = f"torch's {report.exporter} exporter, opset {report.opset}"
    parts: list[RenderableType] = [Text.assemble((report.model, "bold"), (f"  {versions}", "dim"), "\n")]
    parts += [body(ports_table(report.inputs, report.outputs)), heading("size")]
    parts += [body(model_table(report.before, report.after)), heading("steps", duration(sum(report.seconds.values())))]
    parts.append(body(_steps(report)))
    fused = report.fusion.passes if report.fusion is not None else []
    if verbose:
        rewrites = [rewrite for one in (*fused, *report.passes) for rewrite in one.rewrites]
        parts += [heading("rewrites"), *rewrite_lines(rewrites)] if rewrites else []
    parts += refusal_section([refusal for one in report.passes for refusal in one.refusals], verbose=verbose)
    if report.fusion is not None:
        parts += rolled_back_section(report.fusion.rolled_back)
    if report.proof is not None:
        parts += render_proof(report.proof, verbose=verbose)
    return Group(*parts, *_ending(report))


def _steps(report: ExportReport) -> RenderableType:
    result = table("step", "what it did", "time", numbers_from=2)
    done = {
        "fusing": "not fused in torch" if report.fusion is None else _rewrites(report.fusion.passes),
        "exporting": f"{plural(report.exported.nodes, 'node')}",
        "cleaning up": _rewrites(report.passes),
        "proving": _proven(report),
    }
    for step, seconds in report.seconds.items():
        result.add_row(step, done[step], duration(seconds))
    return result


def _rewrites(passes: list[PassReport]) -> str:
    counts = [f"{one.name} {len(one.rewrites)}" for one in passes if one.rewrites]
    return ", ".join(counts) or "nothing to rewrite"


def _proven(report: ExportReport) -> str:
    verdicts = []
    if report.fusion is not None and report.fusion.proof is not None:
        verdicts.append(f"original and fused module: {report.fusion.proof.verdict}")
    if report.proof is not None:
        verdicts.append(f"original module and file: {report.proof.verdict}")
    return "; ".join(verdicts) or "not asked for"


def _ending(report: ExportReport) -> Iterator[RenderableType]:
    if report.notes:
        yield heading("notes")
        yield from (indented(note) for note in report.notes)
    yield Text()
    yield from (Text.assemble("wrote ", (file, "bold")) for file in report.files)

"""The report of `graphmorph fuse` on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from graphmorph.cli.numbers import bytes_of, change, count, duration, plural
from graphmorph.cli.outcome import EXACT_PRUNE, fusible
from graphmorph.cli.refusal_groups import group_refusals
from graphmorph.cli.render_change import render_change
from graphmorph.cli.render_proof import render_proof
from graphmorph.cli.terminal import body, heading, indented, table

if TYPE_CHECKING:
    from graphmorph.report import ModelSummary, PassReport, RefusalReport, Report, RewriteReport

EXAMPLES_SHOWN = 8


def render_report(report: Report, *, verbose: bool = False) -> RenderableType:
    """Everything that a person wants to know of one run, most important first."""
    parts: list[RenderableType] = [_title(report), body(model_table(report.before, report.after))]
    parts += [heading("passes", duration(report.seconds)), body(_pass_table(report.passes))]
    if verbose and report.changed:
        parts += [heading("rewrites"), *rewrite_lines(report.rewrites)]
    parts += refusal_section(report.refusals, verbose=verbose)
    parts += list(rolled_back_section(report.rolled_back))
    if report.proof is not None and report.approximate:
        parts += render_change(report.proof, verbose=verbose)
    elif report.proof is not None:
        parts += render_proof(report.proof, verbose=verbose)
    parts += list(_certificates(report))
    parts += list(_ending(report))
    return Group(*parts)


def model_table(before: ModelSummary, after: ModelSummary) -> RenderableType:
    """Sizes of the two models, side by side."""
    result = table("", "before", "after", "")
    for name, old, new in _counts(before, after):
        result.add_row(name, count(old), count(new), Text(change(old, new), style="green" if _less(old, new) else ""))
    old_bytes, new_bytes = before.weight_bytes, after.weight_bytes
    style = "green" if new_bytes < old_bytes else ""
    result.add_row("weights", bytes_of(old_bytes), bytes_of(new_bytes), Text(change(old_bytes, new_bytes), style=style))
    return result


def _counts(before: ModelSummary, after: ModelSummary) -> Iterator[tuple[str, int | None, int | None]]:
    yield "nodes", before.nodes, after.nodes
    yield "convolutions", before.convolutions, after.convolutions
    yield "batch normalizations", before.batchnorms, after.batchnorms
    yield "branch sums", before.branch_adds, after.branch_adds
    yield "parameters", before.parameters, after.parameters
    yield "multiply-adds", before.macs, after.macs


def _less(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after < before


def _title(report: Report) -> Text:
    return Text.assemble((report.model, "bold"), "  ", (_what_happened(report), "dim"), "\n")


def _what_happened(report: Report) -> str:
    if not report.changed and any(one.grows for one in report.passes):
        return "nothing to rewrite"
    proper = [(one.name, one.kind) for one in report.passes if not one.cleanup]
    if report.deploy_form and proper == [(EXACT_PRUNE, "exact")]:
        said = f"{plural(len(report.rewrites), 'clean-up')}; " if report.changed else "nothing to rewrite: "
        return f"{said}no removable channel is unread, constant or duplicate"
    if not report.changed and report.deploy_form:
        return "nothing to rewrite: already in deploy form"
    rewrites = fusible(report)
    cleanups = len(report.rewrites) - rewrites
    said = "already in deploy form" if report.deploy_form else plural(rewrites, "rewrite")
    return f"{said}, {plural(cleanups, 'clean-up')}" if cleanups else said


def _pass_table(passes: list[PassReport]) -> RenderableType:
    result = table("pass", "kind", "rewrites", "left alone", "time", numbers_from=2)
    for one in passes:
        result.add_row(one.name, one.kind, count(len(one.rewrites)), count(len(one.refusals)), duration(one.seconds))
    return result


def rewrite_lines(rewrites: list[RewriteReport]) -> list[RenderableType]:
    """One line a rewrite: what became what."""
    return [
        Text.assemble("  ", (rewrite.pass_name, "cyan"), " ", rewrite.root, ("  " + rewrite.summary, "dim"))
        for rewrite in rewrites
    ]


def refusal_section(refusals: list[RefusalReport], *, verbose: bool) -> list[RenderableType]:
    """Refusals by reason with an example of each, or every one."""
    if not refusals:
        return []
    parts: list[RenderableType] = [heading("left alone", plural(len(refusals), "site"))]
    if verbose:
        return parts + [
            Text.assemble("  ", (one.pass_name, "cyan"), f" {one.node} ({one.op}): ", (one.reason, "dim"))
            for one in refusals
        ]
    groups = group_refusals(refusals)
    result = table("pass", "sites", "reason", "first", numbers_from=9)
    for group in groups[:EXAMPLES_SHOWN]:
        result.add_row(group.pass_name, count(len(group.refusals)), group.reason, group.refusals[0].node)
    parts.append(body(result))
    if len(groups) > EXAMPLES_SHOWN:
        parts.append(indented(f"and {plural(len(groups) - EXAMPLES_SHOWN, 'more reason')}: --verbose lists all", "dim"))
    return parts


def rolled_back_section(rewrites: list[RewriteReport]) -> Iterator[RenderableType]:
    """Rewrites that the proof found wrong."""
    if rewrites:
        yield heading("rolled back", "the proof failed with these, and holds without them")
        yield from rewrite_lines(rewrites)


def _certificates(report: Report) -> Iterator[RenderableType]:
    if report.certificates:
        counts = ", ".join(f"{number:,} {verdict}" for verdict, number in sorted(report.certificates.items()))
        yield heading("certificates", "of each rewrite, for every input")
        yield indented(counts)


def _ending(report: Report) -> Iterator[RenderableType]:
    if report.notes:
        yield heading("notes")
        yield from (indented(note) for note in report.notes)
    yield Text()
    yield from (Text.assemble("wrote ", (file, "bold")) for file in report.files)

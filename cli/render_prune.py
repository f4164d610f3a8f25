"""The report of `graphmorph prune` on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from graphmorph.cli.numbers import MISSING, change, count, duration, percent, plural
from graphmorph.cli.render_measures import measured_change, phases, speed
from graphmorph.cli.render_proof import VERDICT_STYLE, render_proof
from graphmorph.cli.render_walls import wall_section
from graphmorph.cli.terminal import body, heading, indented, table

if TYPE_CHECKING:
    from graphmorph.pruning.report import GroupReport, PruneReport, RepairReport

GROUPS_SHOWN = 40
VERDICTS = {
    "equal": "equal to the original with the removed channels masked, within rounding",
    "different": "not equal to the original with the removed channels masked",
    "inconclusive": "could not be compared with the original with the removed channels masked",
}


def render_prune(report: PruneReport, *, verbose: bool = False) -> RenderableType:
    """The verdict first, then what became smaller, what could not, and how far the outputs moved."""
    parts: list[RenderableType] = [_title(report)]
    if report.nothing is None:
        parts += [Text(""), body(_sizes(report)), *speed(report.latency, report.macs_left)]
    parts += _groups(report.groups, verbose=verbose)
    parts += wall_section(report.walls, verbose=verbose)
    if report.nothing is None:
        parts += _measures(report, verbose=verbose)
    if verbose:
        parts += [heading("time", duration(sum(report.seconds.values()))), body(phases(report.seconds))]
    if report.notes:
        parts += [heading("notes"), *(indented(note) for note in report.notes)]
    parts += [Text(), *(Text.assemble("wrote ", (file, "bold")) for file in report.files)]
    return Group(*parts)


def _measures(report: PruneReport, *, verbose: bool) -> Iterator[RenderableType]:
    if report.removal is not None:
        # Both models of this proof lack the channels, so its accuracies say nothing.
        yield from render_proof(replace(report.removal, accuracy=None), verbose=verbose)
    if report.change is not None:
        yield from measured_change(report.change)
    yield from _repairs(report.repairs)


def _title(report: PruneReport) -> Text:
    if report.nothing is not None:
        return Text.assemble((report.model, "bold"), "  ", (report.nothing, "bold yellow"))
    if report.removal is None:
        return Text.assemble((report.model, "bold"), "  removal not proven: --no-verify")
    verdict = report.removal.verdict
    word = "removal proven" if verdict == "equal" else "removal not proven"
    return Text.assemble(
        (report.model, "bold"), "  ", (word, VERDICT_STYLE[verdict]), (f": {VERDICTS[verdict]}", "dim")
    )


def _sizes(report: PruneReport) -> RenderableType:
    """Parameters, multiply-adds and milliseconds, before and after."""
    result = table("", "before", "after", "", "left")
    before, after, latency = report.cost_before, report.cost_after, report.latency
    _size_row(result, "parameters", before.parameters, after.parameters)
    _size_row(result, "multiply-adds", before.multiply_adds, after.multiply_adds)
    if latency is not None:
        _size_row(result, "latency", latency.before_ms, latency.after_ms, milliseconds=True)
    return result


def _size_row(result: Table, name: str, before: float, after: float, *, milliseconds: bool = False) -> None:
    cells = [f"{value:.2f} ms" if milliseconds else count(value) for value in (before, after)]
    style = "green" if after < before else "red" if after > before else ""
    result.add_row(
        name, *cells, Text(change(before, after), style=style), percent(after / before) if before else MISSING
    )


def _groups(groups: list[GroupReport], *, verbose: bool) -> list[RenderableType]:
    if not groups:
        return []
    units, removed = sum(group.units for group in groups), sum(group.removed for group in groups)
    parts: list[RenderableType] = [
        heading("groups", f"{plural(len(groups), 'group')}, {removed:,} of {plural(units, 'unit')} removed")
    ]
    shown = groups if verbose else groups[:GROUPS_SHOWN]
    wide = any(group.width > 1 for group in shown)
    result = table("group", "kept", "of", *(["width"] if wide else []), "left", "limit")
    result.columns[-1].justify = "left"
    for group in shown:
        kept = group.units - group.removed
        width = [count(group.width)] if wide else []
        result.add_row(
            group.name, count(kept), count(group.units), *width, percent(kept / group.units), group.limit or ""
        )
    parts.append(body(result))
    if len(groups) > len(shown):
        parts.append(indented(f"and {plural(len(groups) - len(shown), 'group')} more: --verbose lists all", "dim"))
    return parts


def _repairs(repairs: list[RepairReport]) -> list[RenderableType]:
    """Layers that were fitted again."""
    if not repairs:
        return []
    result = table("layer", "R\N{SUPERSCRIPT TWO} before", "after")
    for one in repairs:
        result.add_row(one.node, f"{one.r_squared_before:.4f}", f"{one.r_squared_after:.4f}")
    return [heading("repaired", plural(len(repairs), "layer")), body(result)]

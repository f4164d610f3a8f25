"""The report of `graphmorph run` on the terminal: a line a step, then the whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from graphmorph.cli.numbers import MISSING, count, duration, error, percent, plural
from graphmorph.cli.render_change import render_change
from graphmorph.cli.render_proof import render_proof
from graphmorph.cli.render_prune import render_prune
from graphmorph.cli.render_report import model_table, render_report
from graphmorph.cli.terminal import body, heading, indented, table
from graphmorph.layer_insertion.report import InsertReport
from graphmorph.pruning.report import PruneReport
from graphmorph.report import Report
from graphmorph.steps.report import plain

if TYPE_CHECKING:
    from graphmorph.steps.report import PipelineReport, StepReport

STYLES = {
    "equal": "green",
    "equal to the mask": "green",
    "certified": "green",
    "measured": "",
    "unproven": "yellow",
    "inconclusive": "bold yellow",
    "rolled back": "bold red",
    "different": "bold red",
}


def render_run(report: PipelineReport, *, verbose: bool = False) -> RenderableType:
    """Everything that a person wants to know of one run; with `verbose`, what each step's own command would print."""
    steps = plural(len(report.steps), "step")
    parts: list[RenderableType] = [
        Text.assemble((report.model, "bold"), "  ", (f"{report.pipeline}: {steps}", "dim"), "\n"),
        body(model_table(report.before, report.after)),
        heading("steps", duration(report.seconds)),
        *(_asked(step) for step in report.steps),
        Text(),
        body(_step_table(report.steps)),
    ]
    if verbose:
        parts += [part for step in report.steps for part in _in_full(step)]
    parts += _whole(report, verbose=verbose)
    return Group(*parts, *_ending(report))


def _asked(step: StepReport) -> Text:
    """A step as it stands in the file."""
    options = ", ".join(f"{name} = {json.dumps(plain(value))}" for name, value in step.asked.items())
    return Text.assemble(f"  {step.number} ", (step.run, "cyan"), ("  " + options, "dim"))


def _step_table(steps: list[StepReport]) -> RenderableType:
    titles = ("step", "done", "verdict", "max change", "same class", "parameters", "nodes", "time")
    result = table(*titles, numbers_from=3)
    for step in steps:
        result.add_row(
            f"{step.number} {step.run}",
            _done(step),
            Text(step.verdict, STYLES[step.verdict]),
            *_change(step),
            _became(step.before.parameters, step.after.parameters),
            _became(step.before.nodes, step.after.nodes),
            duration(step.seconds),
        )
    return result


def _done(step: StepReport) -> str:
    if isinstance(step.report, InsertReport):
        layer = step.report.layer
        fit = f", R² {sum(layer.explained) / len(layer.explained):.3f}" if layer.explained else ""
        return f"{layer.kept} of {plural(layer.redundant, 'channel')} kept{fit}"
    if isinstance(step.report, PruneReport):
        groups = step.report.groups
        return f"{sum(one.removed for one in groups):,} of {plural(sum(one.units for one in groups), 'unit')} removed"
    return plural(step.rewrites, "rewrite")


def _change(step: StepReport) -> tuple[str, str]:
    found = step.change
    if found is None:
        return MISSING, MISSING
    agreement = found.argmax_agreement
    return error(found.max_abs), MISSING if agreement is None else percent(agreement)


def _became(before: int, after: int) -> str:
    if before == after:
        return count(before)
    return f"{count(before)} \N{RIGHTWARDS ARROW} {count(after)}"


def _in_full(step: StepReport) -> list[RenderableType]:
    if isinstance(step.report, PruneReport):
        full = render_prune(step.report, verbose=True)
    elif isinstance(step.report, Report):
        full = render_report(step.report, verbose=True)
    else:
        return []  # the line in the table says it all
    return [heading(f"step {step.number}: {step.run}"), body(full)]


def _whole(report: PipelineReport, *, verbose: bool) -> list[RenderableType]:
    if report.whole is None:
        return []
    rendered = render_proof if report.exact else render_change
    return [heading("the whole", "against the original model"), *rendered(report.whole, verbose=verbose)]


def _ending(report: PipelineReport) -> Iterator[RenderableType]:
    if report.notes:
        yield heading("notes")
        yield from (indented(note) for note in report.notes)
    yield Text()
    yield from (Text.assemble("wrote ", (file, "bold")) for file in report.files)

"""`graphmorph prune`: the least important channels go, with everything that is tied to them, proven against a mask."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphmorph.cli.destination import destination_of
from graphmorph.cli.options import INPUT_FILE, report_options
from graphmorph.cli.outcome import EXACT_PRUNE
from graphmorph.cli.prune_options import (
    EXACT_OPTIONS,
    choice_options,
    how_much_options,
    output_options,
    require_one_amount,
    run_options,
)
from graphmorph.cli.reporting import Ending, ReportOptions, run_and_report
from graphmorph.cli.rewriting import rewrite_and_report

if TYPE_CHECKING:
    from rich.console import RenderableType

    from graphmorph.cli.progress import ProgressBar
    from graphmorph.pipeline import FuseResult
    from graphmorph.pruning.job import PruneResult

EXACT_PASSES = ("fold-constants", EXACT_PRUNE)
OUTCOME_OPTIONS = {"output", "dry_run", "json_file", "junit_file", "quiet", "verbose"}


@click.command("prune")
@click.argument("model", type=INPUT_FILE)
@how_much_options
@choice_options
@output_options
@run_options
@report_options
def prune(model: Path, exact: bool, **options: Any) -> int:
    """Remove channels of MODEL, wherever they live, and prove that nothing else changed.

    The proof: the smaller model equals MODEL with the removed channels masked. Then it is measured how far it is from
    MODEL itself. Where nothing at all can be removed nothing is written, and the report says what is in the way.
    """
    require_one_amount(click.get_current_context())
    if not exact:
        return remove_least(model, **options)
    meant = {name: value for name, value in options.items() if name in EXACT_OPTIONS | OUTCOME_OPTIONS}
    return rewrite_and_report(remove_exactly, model, "pruned", **meant)


def remove_exactly(source: Path, target: Path | None, **engine_options: Any) -> FuseResult:
    """Remove what changes nothing: the report is that of `fuse`."""
    import graphmorph

    return graphmorph.fuse(source, target, only=EXACT_PASSES, **engine_options)


def remove_least(
    model: Path,
    *,
    output: Path | None,
    in_place: bool,
    dry_run: bool,
    plan_out: Path | None,
    picture: Path | None,
    global_scope: bool,
    labels: str | None,
    json_file: str | None,
    junit_file: Path | None,
    quiet: bool,
    verbose: bool,
    **engine_options: Any,
) -> int:
    """Remove the least important channels, or what a plan says; the exit code."""
    from graphmorph.runtime.spawn import spawn_ahead

    destination = destination_of(model, output, "pruned", in_place=in_place, dry_run=dry_run)
    plan_out = plan_file(destination, plan_out, engine_options["plan"])
    spawn_ahead("sessions")  # it imports while we do
    from graphmorph.proof.labels import read_labels

    engine_options |= {"in_place": in_place, "labels": read_labels(labels, engine_options["inputs"])}
    if picture is not None:
        from graphmorph.kernels.heat_map import check_plot

        check_plot(picture)

    def run(progress: ProgressBar) -> PruneResult:
        import graphmorph

        scope = "global" if global_scope else "layer"
        seed = engine_options["seed"]
        return graphmorph.prune(
            model, destination, exact=False, scope=scope, criterion_seed=seed, progress=progress, **engine_options
        )

    def ending(result: PruneResult) -> Ending:
        write_besides(result, plan_out, picture)
        return ending_of(result, verbose=verbose)

    return run_and_report(run, ending, ReportOptions(json_file, junit_file, quiet, verbose))


def plan_file(destination: Path | None, plan_out: Path | None, plan: Path | None) -> Path | None:
    """Where the plan goes: beside the model, unless it came from a plan itself."""
    if plan_out is not None or destination is None or plan is not None:
        return plan_out
    return destination.with_name(f"{destination.stem}.plan.json")


def write_besides(result: PruneResult, plan_out: Path | None, picture: Path | None) -> None:
    """The plan and the picture, where they were asked for."""
    if result.ok and plan_out is not None:
        result.plan.save(plan_out)
        result.report.files.append(str(plan_out))
    if picture is not None and result.report.groups:
        from graphmorph.cli.width_chart import draw_widths

        draw_widths(result.report.groups, picture)
        result.report.files.append(str(picture))


def ending_of(result: PruneResult, *, verbose: bool) -> Ending:
    """What a pruning ended with."""
    from graphmorph.cli.junit import prune_suites
    from graphmorph.cli.outcome import outcome_of_pruning

    def rendered() -> RenderableType:
        from graphmorph.cli.render_prune import render_prune

        return render_prune(result.report, verbose=verbose)

    code, complaint = outcome_of_pruning(result)
    return Ending(code, complaint, result.report.to_json, rendered, lambda: prune_suites(result.report))

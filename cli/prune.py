"""`graphmorph prune`: the least important channels go, with everything that is tied to them, proven against a mask."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphmorph.cli.fuse import EXACT_PRUNE, destination_of, publish
from graphmorph.cli.options import INPUT_FILE, report_options
from graphmorph.cli.prune_options import (
    EXACT_OPTIONS,
    choice_options,
    destination_options,
    how_much_options,
    require_one_amount,
    run_options,
)

if TYPE_CHECKING:
    from graphmorph.pruning.job import PruneResult

    Options = dict[str, Any]

EXACT_PASSES = ("fold-constants", EXACT_PRUNE)


@click.command("prune")
@click.argument("model", type=INPUT_FILE)
@how_much_options
@choice_options
@destination_options
@run_options
@report_options
def prune(
    model: Path,
    exact: bool,
    output: Path | None,
    in_place: bool,
    dry_run: bool,
    plan_out: Path | None,
    picture: Path | None,
    labels: str | None,
    json_file: str | None,
    junit_file: Path | None,
    quiet: bool,
    verbose: bool,
    **engine_options: Any,
) -> int:
    """Remove channels of MODEL, wherever they live, and prove that nothing else changed.

    The proof: the smaller model equals MODEL with the removed channels masked. Then it is measured how far it is from
    MODEL itself. Where nothing at all can be removed nothing is written, and the report says what is in the way.
    """
    from graphmorph.runtime.spawn import spawn_ahead

    require_one_amount(click.get_current_context())
    destination = destination_of(model, output, in_place=in_place, dry_run=dry_run, became="pruned")
    spawn_ahead("sessions")  # it imports while we do
    from graphmorph.cli.failures import complain
    from graphmorph.cli.labels import read_labels

    engine_options |= {"in_place": in_place, "labels": read_labels(labels, engine_options["inputs"])}
    shown = {"json_file": json_file, "junit_file": junit_file, "quiet": quiet, "verbose": verbose}
    if exact:
        code, complaint = remove_exactly(model, destination, engine_options, shown)
    else:
        plan_out = plan_file(destination, plan_out, engine_options["plan"])
        code, complaint = remove_least(model, destination, engine_options, shown, plan_out, picture)
    if complaint:
        complain(complaint)
    return code


def remove_exactly(model: Path, destination: Path | None, options: Options, shown: Options) -> tuple[int, str]:
    """Remove what changes nothing: the report is that of `fuse`. Exit code and complaint."""
    import graphmorph
    from graphmorph.cli.outcome import outcome
    from graphmorph.cli.progress import ProgressBar

    options = {name: value for name, value in options.items() if name in EXACT_OPTIONS}
    with ProgressBar(enabled=not shown["quiet"]) as progress:
        result = graphmorph.fuse(model, destination, only=EXACT_PASSES, progress=progress, **options)
    code, complaint = outcome(result, check=False)
    publish(result, code, check=False, **shown)
    return code, complaint


def remove_least(
    model: Path, destination: Path | None, options: Options, shown: Options, plan_out: Path | None, picture: Path | None
) -> tuple[int, str]:
    """Remove the least important channels, or what a plan says. Exit code and complaint."""
    import graphmorph
    from graphmorph.cli.outcome import outcome_of_pruning
    from graphmorph.cli.progress import ProgressBar
    from graphmorph.kernels.heat_map import check_plot

    if picture is not None:
        check_plot(picture)
    scope = "global" if options.pop("global_scope") else "layer"
    with ProgressBar(enabled=not shown["quiet"]) as progress:
        result = graphmorph.prune(
            model, destination, exact=False, scope=scope, criterion_seed=options["seed"], progress=progress, **options
        )
    if result.ok and plan_out is not None:
        result.plan.save(plan_out)
        result.report.files.append(str(plan_out))
    if picture is not None and result.report.groups:
        from graphmorph.cli.width_chart import draw_widths

        draw_widths(result.report.groups, picture)
        result.report.files.append(str(picture))
    code, complaint = outcome_of_pruning(result)
    publish_pruning(result, code, **shown)
    return code, complaint


def plan_file(destination: Path | None, plan_out: Path | None, plan: Path | None) -> Path | None:
    """Where the plan goes: beside the model, unless it came from a plan itself."""
    if plan_out is not None or destination is None or plan is not None:
        return plan_out
    return destination.with_name(f"{destination.stem}.plan.json")


def publish_pruning(
    result: PruneResult, code: int, *, json_file: str | None, junit_file: Path | None, quiet: bool, verbose: bool
) -> None:
    """Print the report, and write it where it was asked for. JSON on stdout takes the place of the print."""
    from graphmorph.cli.json_output import STDOUT, write_json

    if json_file is not None:
        write_json({"exit_code": code, **result.report.to_json()}, json_file)
    if junit_file is not None:
        from graphmorph.cli.junit import prune_suites, write_junit

        write_junit(prune_suites(result.report), junit_file)
    if not quiet and json_file != STDOUT:
        from graphmorph.cli.render_prune import render_prune
        from graphmorph.cli.terminal import report_console

        report_console().print(render_prune(result.report, verbose=verbose))

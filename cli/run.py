"""`graphmorph run`: a pipeline of steps from a file, each proven against its input, and the whole against the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from graphmorph.cli.destination import destination_of, destination_options
from graphmorph.cli.options import INPUT_FILE, freeze_option, proof_options, report_options, verify_option
from graphmorph.cli.reporting import Ending, ReportOptions, run_and_report

if TYPE_CHECKING:
    from rich.console import RenderableType

    from graphmorph.cli.progress import ProgressBar
    from graphmorph.steps.file_run import PipelineResult, StepResult


def list_steps(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Eager callback of --list: print and stop."""
    if wanted and not ctx.resilient_parsing:
        from graphmorph.cli.render_steps import render_steps
        from graphmorph.cli.terminal import report_console

        report_console().print(render_steps())
        ctx.exit(0)


@click.command("run")
@click.argument("pipeline", type=INPUT_FILE)
@click.argument("model", type=INPUT_FILE)
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=list_steps,
    help="List the steps with their options, and exit.",
)
@destination_options("PIPELINE", dry_run="Run and prove every step, but write nothing.")
@verify_option("Prove each step and the whole (default).")
@freeze_option
@proof_options
@report_options
def run(
    pipeline: Path,
    model: Path,
    output: Path | None,
    in_place: bool,
    dry_run: bool,
    json_file: str | None,
    junit_file: Path | None,
    quiet: bool,
    verbose: bool,
    **shared: Any,
) -> int:
    """Run the steps that PIPELINE.toml lists on MODEL, each on the result of the one before.

    \b
    seed = 0                        # for all steps: --seed, --inputs, ...
    [[step]]
    run = "fuse"
    [[step]]
    run = "prune"
    ratio = 0.5
    calibration = "data.npz"        # beside PIPELINE.toml

    Each step is proven as its own command proves it, then the whole against MODEL. Where a step fails, nothing is
    written. What is said here of all steps goes before what PIPELINE says.
    """
    from graphmorph.runtime.spawn import spawn_ahead

    destination = destination_of(model, output, pipeline.stem, in_place=in_place, dry_run=dry_run)
    overriding = {name: value for name, value in shared.items() if _given(name)}
    spawn_ahead("sessions", "facts")  # they import while we do

    def work(progress: ProgressBar) -> PipelineResult:
        import graphmorph

        return graphmorph.run_pipeline(model, pipeline, destination, in_place=in_place, progress=progress, **overriding)

    report = ReportOptions(json_file, junit_file, quiet, verbose)
    return run_and_report(work, lambda result: ending_of(result, verbose=verbose), report)


def _given(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def ending_of(result: PipelineResult, *, verbose: bool) -> Ending:
    """What a pipeline ended with."""
    from graphmorph.cli.junit_run import pipeline_suites

    def rendered() -> RenderableType:
        from graphmorph.cli.render_run import render_run

        return render_run(result.report, verbose=verbose)

    complaint = complaint_of(result)
    return Ending(result.exit_code, complaint, result.report.to_json, rendered, lambda: pipeline_suites(result.report))


def complaint_of(result: PipelineResult) -> str:
    """Why it failed, if it did: which step, or the whole."""
    if result.exit_code == 0:
        return ""
    step = result.report.steps[-1]
    if step.exit_code:
        return f"step {step.number} ({step.run}): {_reason(result.last)}"
    assert result.report.whole is not None  # nothing else fails
    return f"every step is proven, but not the whole: {result.report.whole.reason}"


def _reason(failed: StepResult) -> str:
    from graphmorph.cli.outcome import outcome, outcome_of_pruning
    from graphmorph.pipeline import FuseResult
    from graphmorph.pruning.job import PruneResult

    if isinstance(failed, FuseResult):
        return outcome(failed, check=False)[1]
    if isinstance(failed, PruneResult):
        return outcome_of_pruning(failed)[1]
    report = failed.report
    if report.proof is not None:
        return report.proof.reason
    assert report.change is not None  # nothing else fails
    return (
        f"its outputs changed by {report.change.relative_error:.3g} of their norm, which is more than max_error allows"
    )

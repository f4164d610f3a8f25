"""The body of the commands that rewrite a model: find the destination, rewrite and prove, write, report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphmorph.cli.destination import destination_of
from graphmorph.cli.reporting import Ending, ReportOptions, run_and_report

if TYPE_CHECKING:
    from rich.console import RenderableType

    from graphmorph.cli.progress import ProgressBar
    from graphmorph.pipeline import FuseResult


def rewrite_and_report(
    rewrite: Callable[..., FuseResult],
    model: Path,
    became: str,
    *,
    output: Path | None,
    in_place: bool,
    dry_run: bool,
    check: bool = False,
    verify: bool,
    labels: str | None,
    json_file: str | None,
    junit_file: Path | None,
    quiet: bool,
    verbose: bool,
    **engine_options: Any,
) -> int:
    """Rewrite `model`, which `became` something else, and return the exit code.

    The keywords are the values of `destination_options`, `data_options`, `report_options` and --verify; what else a
    command has goes on to `rewrite`, a function with the signature of `graphmorph.fuse`. The child processes start
    before it is called: whatever is slow to import is for it to import. check: judge the model, and prove nothing.
    """
    from graphmorph.runtime.spawn import spawn_ahead

    destination = destination_of(model, output, became, in_place=in_place, dry_run=dry_run, check=check)
    verify = verify and not check
    spawn_ahead(*(("sessions", "facts") if verify else ("facts",)))  # they import while we do
    from graphmorph.proof.labels import read_labels

    def run(progress: ProgressBar) -> FuseResult:
        return rewrite(
            model,
            destination,
            in_place=in_place,
            verify=verify,
            labels=read_labels(labels, engine_options["inputs"]),
            progress=progress,
            **engine_options,
        )

    report = ReportOptions(json_file, junit_file, quiet, verbose)
    return run_and_report(run, lambda result: ending_of(result, verbose=verbose, check=check), report)


def ending_of(result: FuseResult, *, verbose: bool, check: bool) -> Ending:
    """What a rewriting ended with."""
    from graphmorph.cli.junit import fuse_suites
    from graphmorph.cli.outcome import outcome

    def rendered() -> RenderableType:
        from graphmorph.cli.render_report import render_report

        return render_report(result.report, verbose=verbose)

    code, complaint = outcome(result, check=check)
    return Ending(
        code,
        complaint,
        result.report.to_json,
        rendered,
        lambda: fuse_suites(result.report, proven=result.ok, check=check),
    )

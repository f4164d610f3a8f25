"""`graphmorph fuse`: from an exported training-form model to a proven deploy form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphmorph.cli.options import (
    INPUT_FILE,
    combined,
    freeze_option,
    proof_options,
    repeated_names,
    report_options,
)
from graphmorph.cli.pass_settings import parse_settings

if TYPE_CHECKING:
    from graphmorph.pipeline import FuseResult

EXACT_PRUNE = "remove-channels"

destination_options = combined(
    click.option(
        "-o",
        "--output",
        type=INPUT_FILE,
        metavar="FILE",
        help="File or folder to write to. Default: MODEL.fused.onnx beside MODEL.",
    ),
    click.option("--in-place", is_flag=True, help="Replace MODEL itself, once the result is proven."),
    click.option("--dry-run", is_flag=True, help="Rewrite and prove, but write nothing."),
    click.option("--check", is_flag=True, help="Write nothing; exit 3 if MODEL is not in deploy form (a lint for CI)."),
)

pass_options = combined(
    repeated_names("--only", metavar="PASS", help="Run these passes and no other."),
    repeated_names("--skip", metavar="PASS", help="Run all passes but these."),
    click.option("--keep", multiple=True, metavar="GLOB", help="Leave nodes with such names as they are (repeatable)."),
    click.option(
        "--set",
        "settings",
        multiple=True,
        callback=parse_settings,
        metavar="PASS.OPTION=VALUE",
        help="Option of a pass (repeatable); `graphmorph passes` lists them.",
    ),
)


@click.command("fuse")
@click.argument("model", type=INPUT_FILE)
@destination_options
@pass_options
@click.option(
    "--exact-prune", is_flag=True, help="Also remove channels that change nothing: unread, constant or duplicate ones."
)
@click.option("--max-rewrites", type=click.IntRange(min=0), help="Stop after so many, to bisect by hand.")
@freeze_option
@click.option("--verify/--no-verify", default=True, help="Prove the result by running both models (default).")
@click.option("--certify", is_flag=True, help="Certify each affine rewrite, in float64 and for every input.")
@proof_options
@report_options
def fuse(
    model: Path,
    output: Path | None,
    in_place: bool,
    dry_run: bool,
    check: bool,
    settings: list[tuple[str, str, str]],
    only: tuple[str, ...],
    exact_prune: bool,
    json_file: str | None,
    junit_file: Path | None,
    quiet: bool,
    verbose: bool,
    labels: str | None,
    **engine_options: Any,
) -> int:
    """Fold constants and batch normalizations, fuse parallel branches, and prove the result.

    Where a rewrite of MODEL would not be exact, it is not made, and the report says why.
    """
    from graphmorph.runtime.spawn import spawn_ahead

    destination = destination_of(model, output, in_place=in_place, dry_run=dry_run, check=check)
    if check:
        engine_options["verify"] = False
    spawn_ahead(*(("sessions", "facts") if engine_options["verify"] else ("facts",)))  # they import while we do
    import graphmorph
    from graphmorph.cli.failures import complain
    from graphmorph.cli.labels import read_labels
    from graphmorph.cli.outcome import outcome
    from graphmorph.cli.progress import ProgressBar
    from graphmorph.pipeline import FUSE_PIPELINE

    if exact_prune:
        only = (*(only or FUSE_PIPELINE), EXACT_PRUNE)
    with ProgressBar(enabled=not quiet) as progress:
        result = graphmorph.fuse(
            model,
            destination,
            only=only,
            in_place=in_place,
            pass_options=options_of_passes(settings),
            labels=read_labels(labels, engine_options["inputs"]),
            progress=progress,
            **engine_options,
        )
    code, complaint = outcome(result, check=check)
    publish(result, code, check=check, json_file=json_file, junit_file=junit_file, quiet=quiet, verbose=verbose)
    if complaint:
        complain(complaint)
    return code


def destination_of(
    model: Path, output: Path | None, *, in_place: bool, dry_run: bool, check: bool = False, became: str = "fused"
) -> Path | None:
    """Where to write, or None. `became` goes into the name of a file that the user gives none.

    Raises:
        click.UsageError: options that contradict each other, or an output that is the input itself.
    """
    given = {"--output": output is not None, "--in-place": in_place, "--dry-run": dry_run, "--check": check}
    chosen = [flag for flag, on in given.items() if on]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} exclude each other: give one", click.get_current_context())
    if dry_run or check:
        return None
    if in_place:
        return model
    name = f"{model.stem}.{became}{model.suffix or '.onnx'}"
    if output is None:
        return model.with_name(name)
    if output.is_dir():
        return output / name
    if output.exists() and model.exists() and output.samefile(model):
        raise click.UsageError(f"--output {output} is the model itself: say --in-place to replace it")
    return output


def options_of_passes(settings: list[tuple[str, str, str]]) -> dict[str, dict[str, Any]]:
    """The values of --set, typed by the passes' own fields."""
    if not settings:
        return {}
    from graphmorph.cli.pass_settings import typed_options
    from graphmorph.registry import available

    return typed_options(settings, available())


def publish(
    result: FuseResult,
    code: int,
    *,
    check: bool,
    json_file: str | None,
    junit_file: Path | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Print the report, and write it where it was asked for. JSON on stdout takes the place of the print."""
    from graphmorph.cli.json_output import STDOUT, write_json

    if json_file is not None:
        write_json({"exit_code": code, **result.report.to_json()}, json_file)
    if junit_file is not None:
        from graphmorph.cli.junit import fuse_suites, write_junit

        write_junit(fuse_suites(result.report, proven=result.ok, check=check), junit_file)
    if not quiet and json_file != STDOUT:
        from graphmorph.cli.render_report import render_report
        from graphmorph.cli.terminal import report_console

        report_console().print(render_report(result.report, verbose=verbose))

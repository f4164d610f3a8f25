"""`graphmorph merge`: channels that do the same on calibration data become one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from graphmorph.cli.fuse import destination_of, publish
from graphmorph.cli.options import (
    INPUT_FILE,
    combined,
    comparison_options,
    data_options,
    freeze_option,
    repeated_names,
    report_options,
)

choice_options = combined(
    click.option(
        "--calibration",
        type=INPUT_FILE,
        required=True,
        metavar="FILE.npz|FOLDER",
        help="Data on which channels are compared, as for --inputs.",
    ),
    click.option(
        "--factor",
        type=click.FloatRange(min=0),
        default=2.0,
        show_default=True,
        help="Merge pairs whose cosine similarity is above this times the mean of their group.",
    ),
    click.option(
        "--threshold", type=click.FloatRange(-1, 1), metavar="COSINE", help="Merge pairs above this, instead."
    ),
    click.option(
        "--distance",
        type=click.FloatRange(min=0),
        default=0.8,
        show_default=True,
        help="Merge pairs whose distributions differ by less, in Chebyshev distance.",
    ),
    click.option("--bins", type=click.IntRange(min=2), default=32, show_default=True, help="Bins of a distribution."),
    click.option(
        "--outgoing",
        type=click.Choice(["sum", "mean"]),
        default="sum",
        show_default=True,
        help="Weights that read a merged channel: sum changes nothing where both were equal.",
    ),
    repeated_names("--group", metavar="GLOB", help="Merge in groups with such names (repeatable). Default: all."),
    click.option("--keep", multiple=True, metavar="GLOB", help="Leave nodes with such names as they are (repeatable)."),
    freeze_option,
)

destination_options = combined(
    click.option(
        "-o",
        "--output",
        type=INPUT_FILE,
        metavar="FILE",
        help="File or folder to write to. Default: MODEL.merged.onnx beside MODEL.",
    ),
    click.option("--in-place", is_flag=True, help="Replace MODEL itself."),
    click.option("--dry-run", is_flag=True, help="Merge and measure, but write nothing."),
)


@click.command("merge")
@click.argument("model", type=INPUT_FILE)
@destination_options
@choice_options
@click.option("--verify/--no-verify", default=True, help="Run both models, and measure the change (default).")
@data_options
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random samples.")
@comparison_options
@report_options
def merge(
    model: Path,
    output: Path | None,
    in_place: bool,
    dry_run: bool,
    seed: int,
    group: tuple[str, ...],
    json_file: str | None,
    junit_file: Path | None,
    quiet: bool,
    verbose: bool,
    labels: str | None,
    **engine_options: Any,
) -> int:
    """Merge channels of MODEL that do the same on calibration data.

    Outputs change where merged channels are not equal: the report says by how much.
    """
    from graphmorph.runtime.spawn import spawn_ahead

    destination = destination_of(model, output, in_place=in_place, dry_run=dry_run, became="merged")
    spawn_ahead(*(("sessions", "facts") if engine_options["verify"] else ("facts",)))  # they import while we do
    import graphmorph
    from graphmorph.cli.failures import complain
    from graphmorph.cli.labels import read_labels
    from graphmorph.cli.outcome import outcome
    from graphmorph.cli.progress import ProgressBar

    with ProgressBar(enabled=not quiet) as progress:
        result = graphmorph.merge_channels(
            model,
            destination,
            in_place=in_place,
            groups=group,
            proof_seed=seed,
            labels=read_labels(labels, engine_options["inputs"]),
            progress=progress,
            **engine_options,
        )
    code, complaint = outcome(result, check=False)
    publish(result, code, check=False, json_file=json_file, junit_file=junit_file, quiet=quiet, verbose=verbose)
    if complaint:
        complain(complaint)
    return code

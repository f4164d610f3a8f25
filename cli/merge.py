"""`graphmorph merge`: channels that do the same on calibration data become one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphmorph.cli.destination import destination_options
from graphmorph.cli.options import (
    INPUT_FILE,
    combined,
    comparison_options,
    data_options,
    freeze_option,
    keep_option,
    repeated_names,
    report_options,
    seed_option,
    verify_option,
)
from graphmorph.cli.rewriting import rewrite_and_report

if TYPE_CHECKING:
    from graphmorph.pipeline import FuseResult

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
    keep_option,
    freeze_option,
)


@click.command("merge")
@click.argument("model", type=INPUT_FILE)
@destination_options("merged", in_place="Replace MODEL itself.", dry_run="Merge and measure, but write nothing.")
@choice_options
@verify_option("Run both models, and measure the change (default).")
@data_options
@seed_option()
@comparison_options
@report_options
def merge(model: Path, seed: int, group: tuple[str, ...], **options: Any) -> int:
    """Merge channels of MODEL that do the same on calibration data.

    Outputs change where merged channels are not equal: the report says by how much.
    """

    def merged(source: Path, target: Path | None, **engine_options: Any) -> FuseResult:
        import graphmorph

        return graphmorph.merge_channels(source, target, groups=group, proof_seed=seed, **engine_options)

    return rewrite_and_report(merged, model, "merged", **options)

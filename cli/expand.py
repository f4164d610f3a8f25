"""`graphmorph expand`: square convolutions become blocks of parallel branches, to be trained and fused back."""

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
    repeated_names("--layers", metavar="GLOB", help="Expand convolutions with such names (repeatable). Default: all."),
    click.option(
        "--kernel-size",
        "kernel_sizes",
        type=click.IntRange(min=1),
        multiple=True,
        metavar="N",
        help="Expand kernels of this size (repeatable). Default: any.",
    ),
    keep_option,
    click.option("--max-rewrites", type=click.IntRange(min=0), help="Stop after so many layers."),
    freeze_option,
)

block_options = combined(
    click.option(
        "--block",
        type=click.Choice(["acb", "repvgg", "mobileone"]),
        default="acb",
        show_default=True,
        help="acb: k x k, 1 x k, k x 1. repvgg: k x k, 1 x 1, identity. mobileone: several k x k besides.",
    ),
    click.option("--horizontal/--no-horizontal", default=True, help="acb: with a 1 x k branch (default)."),
    click.option("--vertical/--no-vertical", default=True, help="acb: with a k x 1 branch (default)."),
    click.option("--shifted", is_flag=True, help="acb: branches on the bottom row and the right column."),
    click.option(
        "--asymmetric-size",
        type=click.IntRange(min=0),
        default=0,
        metavar="N",
        help="acb: 1 x N and N x 1 branches. Default: as long as the kernel.",
    ),
    click.option(
        "--branches",
        type=click.IntRange(min=1),
        default=3,
        show_default=True,
        help="mobileone: number of k x k branches.",
    ),
    click.option(
        "--normalise",
        type=click.Choice(["branch", "sum", "none"]),
        default="branch",
        show_default=True,
        help="Batch normalization in each branch, after the sum, or where it is.",
    ),
    click.option(
        "--init",
        type=click.Choice(["preserve", "fresh"]),
        default="preserve",
        show_default=True,
        help="preserve: the outputs stay what they are. fresh: new branches are random.",
    ),
    click.option(
        "--share",
        type=click.FloatRange(0, 1),
        default=0.5,
        show_default=True,
        help="preserve: how much of the kernel under a branch moves to it.",
    ),
    seed_option("Seed of the branches, and of the random samples of the proof."),
)


@click.command("expand")
@click.argument("model", type=INPUT_FILE)
@destination_options("expanded", dry_run="Expand and prove, but write nothing.")
@choice_options
@block_options
@verify_option("Run both models, to prove or to measure (default).")
@click.option("--certify", is_flag=True, help="Certify each block, in float64 and for every input.")
@data_options
@comparison_options
@report_options
def expand(model: Path, seed: int, **options: Any) -> int:
    """Replace square convolutions by blocks of parallel branches, for training. `graphmorph fuse` takes them back.

    With --init preserve the result is proven to compute the same. With --init fresh its outputs change, and the
    report says by how much.
    """

    def expanded(source: Path, target: Path | None, **engine_options: Any) -> FuseResult:
        import graphmorph

        return graphmorph.expand(source, target, seed=seed, proof_seed=seed, **engine_options)

    return rewrite_and_report(expanded, model, "expanded", **options)

"""`graphmorph fuse`: from an exported training-form model to a proven deploy form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphmorph.cli.destination import destination_options
from graphmorph.cli.options import (
    INPUT_FILE,
    certify_option,
    freeze_option,
    proof_options,
    report_options,
    verify_option,
)
from graphmorph.cli.pass_settings import options_of_passes, pass_options
from graphmorph.cli.rewriting import rewrite_and_report

if TYPE_CHECKING:
    from graphmorph.pipeline import FuseResult


@click.command("fuse")
@click.argument("model", type=INPUT_FILE)
@destination_options("fused", dry_run="Rewrite and prove, but write nothing.")
@click.option("--check", is_flag=True, help="Write nothing; exit 3 if MODEL is not in deploy form (a lint for CI).")
@pass_options
@click.option(
    "--exact-prune", is_flag=True, help="Also remove channels that change nothing: unread, constant or duplicate ones."
)
@click.option("--max-rewrites", type=click.IntRange(min=0), help="Stop after so many, to bisect by hand.")
@freeze_option
@verify_option("Prove the result by running both models (default).")
@certify_option
@proof_options
@report_options
def fuse(
    model: Path, settings: list[tuple[str, str, str]], only: tuple[str, ...], exact_prune: bool, **options: Any
) -> int:
    """Fold constants and batch normalizations, fuse parallel branches, and prove the result.

    Where a rewrite of MODEL would not be exact, it is not made, and the report says why.
    """

    def fused(source: Path, target: Path | None, **engine_options: Any) -> FuseResult:
        import graphmorph
        from graphmorph.cli.outcome import EXACT_PRUNE
        from graphmorph.pipeline import FUSE_PIPELINE

        chosen = (*(only or FUSE_PIPELINE), EXACT_PRUNE) if exact_prune else only
        of_passes = options_of_passes(settings)
        return graphmorph.fuse(source, target, only=chosen, pass_options=of_passes, **engine_options)

    return rewrite_and_report(fused, model, "fused", **options)

"""`graphmorph widen`: layers gain channels, and the function stays what it was."""

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
        "--fraction",
        type=click.FloatRange(min=0),
        default=0.25,
        show_default=True,
        metavar="SHARE",
        help="Add this share of each group's units, at least one.",
    ),
    click.option("--count", type=click.IntRange(min=0), default=0, metavar="N", help="Add N units to each, instead."),
    repeated_names("--group", metavar="GLOB", help="Widen groups with such names (repeatable). Default: all."),
    click.option(
        "--masters",
        type=click.Choice(["largest", "random"]),
        default="largest",
        show_default=True,
        help="Which units new ones are made from: those of the largest l2 norm, or drawn ones.",
    ),
    repeated_names("--unit", metavar="GROUP=I", help="Make new units from these, and add no others (repeatable)."),
    click.option(
        "--correlation",
        type=click.Choice(["copy", "auto", "inverse", "rotation", "scale", "translation"]),
        default="copy",
        show_default=True,
        help="What is done to a filter to make a new one; auto: by how deep the layer is.",
    ),
    click.option(
        "--outgoing",
        type=click.Choice(["auto", "split", "zero", "copy"]),
        default="auto",
        show_default=True,
        help="Weights that read new units: shared with the master, zero, or the master's.",
    ),
    click.option(
        "--noise",
        type=click.FloatRange(min=0),
        default=0.0,
        show_default=True,
        metavar="SHARE",
        help="Noise on new filters, as a share of their standard deviation.",
    ),
    seed_option("Seed of what is drawn, and of the random samples of the proof."),
    keep_option,
    freeze_option,
)


@click.command("widen")
@click.argument("model", type=INPUT_FILE)
@destination_options("wider", dry_run="Widen and prove, but write nothing.")
@choice_options
@verify_option("Run both models, to prove or to measure (default).")
@data_options
@comparison_options
@report_options
def widen(model: Path, seed: int, group: tuple[str, ...], unit: tuple[str, ...], masters: str, **options: Any) -> int:
    """Add channels to the layers of MODEL, and prove that it computes what it did.

    Copies share the weights that read them with their masters (Net2WiderNet). Filters made in other ways are read by
    zeros. Outputs change with --outgoing copy, and with --noise on copies: the report says by how much.
    """

    def widened(source: Path, target: Path | None, **engine_options: Any) -> FuseResult:
        import graphmorph

        chosen = units_by_group(unit) or masters
        return graphmorph.widen(
            source, target, groups=group, masters=chosen, seed=seed, proof_seed=seed, **engine_options
        )

    return rewrite_and_report(widened, model, "wider", **options)


def units_by_group(units: tuple[str, ...]) -> dict[str, list[int]]:
    """Units by the name of their group, from GROUP=I.

    Raises:
        click.BadParameter: a text of another form.
    """
    found: dict[str, list[int]] = {}
    for one in units:
        name, _, number = one.rpartition("=")
        if not name or not number.isdecimal():
            raise click.BadParameter(f"{one!r} is not of the form GROUP=I", param_hint="--unit")
        found.setdefault(name, []).append(int(number))
    return found

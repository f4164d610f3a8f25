"""`graphmorph widen`: layers gain channels, and the function stays what it was."""

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
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Seed of what is drawn, and of the random samples of the proof.",
    ),
    click.option("--keep", multiple=True, metavar="GLOB", help="Leave nodes with such names as they are (repeatable)."),
    freeze_option,
)

destination_options = combined(
    click.option(
        "-o",
        "--output",
        type=INPUT_FILE,
        metavar="FILE",
        help="File or folder to write to. Default: MODEL.wider.onnx beside MODEL.",
    ),
    click.option("--in-place", is_flag=True, help="Replace MODEL itself, once the result is proven."),
    click.option("--dry-run", is_flag=True, help="Widen and prove, but write nothing."),
)


@click.command("widen")
@click.argument("model", type=INPUT_FILE)
@destination_options
@choice_options
@click.option("--verify/--no-verify", default=True, help="Run both models, to prove or to measure (default).")
@data_options
@comparison_options
@report_options
def widen(
    model: Path,
    output: Path | None,
    in_place: bool,
    dry_run: bool,
    seed: int,
    group: tuple[str, ...],
    unit: tuple[str, ...],
    masters: str,
    json_file: str | None,
    junit_file: Path | None,
    quiet: bool,
    verbose: bool,
    labels: str | None,
    **engine_options: Any,
) -> int:
    """Add channels to the layers of MODEL, and prove that it computes what it did.

    Copies share the weights that read them with their masters (Net2WiderNet). Filters made in other ways are read by
    zeros. Outputs change with --outgoing copy, and with --noise on copies: the report says by how much.
    """
    from graphmorph.runtime.spawn import spawn_ahead

    destination = destination_of(model, output, in_place=in_place, dry_run=dry_run, became="wider")
    spawn_ahead(*(("sessions", "facts") if engine_options["verify"] else ("facts",)))  # they import while we do
    import graphmorph
    from graphmorph.cli.failures import complain
    from graphmorph.cli.labels import read_labels
    from graphmorph.cli.outcome import outcome
    from graphmorph.cli.progress import ProgressBar

    with ProgressBar(enabled=not quiet) as progress:
        result = graphmorph.widen(
            model,
            destination,
            in_place=in_place,
            groups=group,
            masters=units_by_group(unit) or masters,
            seed=seed,
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

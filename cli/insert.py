"""`graphmorph insert`: a new layer in a trained network, its function preserved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphmorph.cli.destination import destination_of, destination_options
from graphmorph.cli.insert_options import layer_options
from graphmorph.cli.options import (
    INPUT_FILE,
    comparison_options,
    data_options,
    freeze_option,
    report_options,
    seed_option,
    verify_option,
)
from graphmorph.cli.reporting import Ending, ReportOptions, run_and_report

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from rich.console import RenderableType

    from graphmorph.cli.progress import ProgressBar
    from graphmorph.layer_insertion.job import InsertResult
    from graphmorph.layer_insertion.suggestions import Suggestion


@click.command("insert")
@click.argument("model", type=INPUT_FILE)
@click.option("--after", metavar="NODE", help="The node or tensor behind which the layer goes.")
@click.option("--before", metavar="LAYER", help="The layer that reads it, where several do.")
@click.option("--suggest", is_flag=True, help="List the places where a layer can go, the most promising first.")
@destination_options("deeper", in_place="Replace MODEL itself.", dry_run="Insert and measure, but write nothing.")
@layer_options
@freeze_option
@verify_option("Run both models, and measure the change (default).")
@data_options
@seed_option()
@comparison_options
@report_options
def insert(
    model: Path,
    after: str | None,
    suggest: bool,
    output: Path | None,
    in_place: bool,
    dry_run: bool,
    labels: str | None,
    json_file: str | None,
    junit_file: Path | None,
    quiet: bool,
    verbose: bool,
    seed: int,
    **options: Any,
) -> int:
    """Insert a layer into MODEL so that its function stays, and measure how well it does.

    Channels of the new layer that are superfluous are dropped again, and the next layer is refitted by least squares on
    calibration data (CompNet); or the next layer is taken apart in two (NetMorph), or the layer is the identity
    (Net2DeeperNet).
    """
    report = ReportOptions(json_file, junit_file, quiet, verbose)
    if suggest:
        return _suggest(model, options, seed, report)
    if after is None:
        raise click.UsageError("say with --after behind which node the layer goes, or ask for places with --suggest")
    destination = destination_of(model, output, "deeper", in_place=in_place, dry_run=dry_run)
    from graphmorph.proof.labels import read_labels

    def run(progress: ProgressBar) -> InsertResult:
        import graphmorph

        if options["inputs"] is None and labels is not None:
            options["inputs"] = options["calibration"]  # all of it has labels
        known = read_labels(labels, options["inputs"])
        return graphmorph.insert_layer(
            model,
            destination,
            after=after,
            in_place=in_place,
            labels=known,
            seed=seed,
            proof_seed=seed,
            progress=progress,
            **options,
        )

    return run_and_report(run, lambda result: _ending(result, verbose=verbose), report)


def _ending(result: InsertResult, *, verbose: bool) -> Ending:
    def rendered() -> RenderableType:
        from graphmorph.cli.render_insert import render_insert

        return render_insert(result.report, verbose=verbose)

    def suites() -> list[Element]:
        from graphmorph.cli.junit import insert_suites

        return insert_suites(result.report, _complaint(result))

    return Ending(result.exit_code, _complaint(result), result.report.to_json, rendered, suites)


def _complaint(result: InsertResult) -> str:
    if result.ok:
        return ""
    change, proof = result.report.change, result.report.proof
    if proof is not None:
        return f"the deeper model is not proven to be equal: {proof.reason}; nothing was written"
    moved = f"{change.relative_error:.4g} of their norm" if change is not None else "an unknown amount"
    return f"outputs changed by {moved}, more than --max-error allows; nothing was written"


def _suggest(model: Path, options: dict[str, Any], seed: int, report: ReportOptions) -> int:
    def run(progress: ProgressBar) -> list[Suggestion]:
        from graphmorph.layer_insertion.suggestions import suggest_places

        asked = {name: options[name] for name in ("calibration", "kernel", "activation", "freeze_initializers")}
        return suggest_places(model, seed=seed, progress=progress, **asked)

    def ending(found: list[Suggestion]) -> Ending:
        from graphmorph.cli.render_insert import render_suggestions

        none = "" if found else "there is no place for a layer: no layer with constant weights reads a tensor alone"
        return Ending(
            0 if found else 1,
            none,
            lambda: {"model": str(model), "places": [one.to_json() for one in found]},
            lambda: render_suggestions(found),
        )

    return run_and_report(run, ending, report)

"""`graphmorph inspect`: what is in a model, what could be rewritten, and what could not and why; what kernels weigh."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphmorph.cli.options import INPUT_FILE, freeze_option, json_option
from graphmorph.cli.pass_settings import options_of_passes, pass_options

if TYPE_CHECKING:
    from rich.console import RenderableType

    Found = tuple[dict[str, Any], Callable[[], RenderableType]]


@click.command("inspect")
@click.argument("model", type=INPUT_FILE)
@pass_options
@freeze_option
@click.option(
    "--kernels", is_flag=True, help="Show instead what the positions inside square kernels weigh, once they are fused."
)
@click.option("--plot", type=INPUT_FILE, metavar="FILE.png|.svg", help="Draw what --kernels shows as heat maps.")
@json_option
@click.option("-v", "--verbose", is_flag=True, help="List every rewrite and every refusal.")
def inspect(
    model: Path,
    settings: list[tuple[str, str, str]],
    kernels: bool,
    plot: Path | None,
    json_file: str | None,
    verbose: bool,
    **engine_options: Any,
) -> None:
    """Show the size of MODEL, the rewrites that `fuse` would make, and the sites that it would leave alone.

    Nothing but the plot is written, and the model is not run.
    """
    from graphmorph.cli.json_output import STDOUT, write_json

    if plot is not None and not kernels:
        raise click.UsageError("--plot draws what --kernels shows: give both", click.get_current_context())
    engine_options["pass_options"] = options_of_passes(settings)
    document, view = (
        look_at_kernels(model, plot, verbose, engine_options) if kernels else look_at(model, verbose, engine_options)
    )
    if json_file is not None:
        write_json({"model": str(model), **document}, json_file)
    if json_file != STDOUT:
        from graphmorph.cli.terminal import report_console

        report_console().print(view())


def look_at(model: Path, verbose: bool, options: dict[str, Any]) -> Found:
    """The inspection as JSON, and its view."""
    import graphmorph
    from graphmorph.cli.progress import ProgressBar

    with ProgressBar(enabled=True) as progress:
        inspection = graphmorph.inspect_model(model, progress=progress, **options)

    def view() -> RenderableType:
        from graphmorph.cli.render_inspection import render_inspection

        return render_inspection(str(model), inspection, verbose=verbose)

    return inspection.to_json(), view


def look_at_kernels(model: Path, plot: Path | None, verbose: bool, options: dict[str, Any]) -> Found:
    """The kernel magnitudes as JSON, and their view; the plot is drawn."""
    import graphmorph
    from graphmorph.cli.progress import ProgressBar
    from graphmorph.kernels.heat_map import check_plot, draw_heat_maps

    if plot is not None:
        check_plot(plot)
    with ProgressBar(enabled=True) as progress:
        report = graphmorph.inspect_kernels(model, progress=progress, **options)
    if plot is not None:
        draw_heat_maps([(f"{size.size} x {size.size} kernels", size.matrix) for size in report.sizes], plot)

    def view() -> RenderableType:
        from graphmorph.cli.render_kernels import render_kernels

        return render_kernels(str(model), report, verbose=verbose)

    return {"kernels": report.to_json()}, view

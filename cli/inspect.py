"""`graphmorph inspect`: what is in a model, what could be rewritten, and what could not and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from graphmorph.cli.fuse import options_of_passes, pass_options
from graphmorph.cli.options import INPUT_FILE, freeze_option, json_option


@click.command("inspect")
@click.argument("model", type=INPUT_FILE)
@pass_options
@freeze_option
@json_option
@click.option("-v", "--verbose", is_flag=True, help="List every rewrite and every refusal.")
def inspect(
    model: Path,
    settings: list[tuple[str, str, str]],
    json_file: str | None,
    verbose: bool,
    **engine_options: Any,
) -> None:
    """Show the size of MODEL, the rewrites that `fuse` would make, and the sites that it would leave alone.

    Nothing is written, and the model is not run.
    """
    import graphmorph
    from graphmorph.cli.json_output import STDOUT, write_json
    from graphmorph.cli.progress import ProgressBar

    with ProgressBar(enabled=True) as progress:
        inspection = graphmorph.inspect_model(
            model, pass_options=options_of_passes(settings), progress=progress, **engine_options
        )
    if json_file is not None:
        write_json({"model": str(model), **inspection.to_json()}, json_file)
    if json_file != STDOUT:
        from graphmorph.cli.render_inspection import render_inspection
        from graphmorph.cli.terminal import report_console

        report_console().print(render_inspection(str(model), inspection, verbose=verbose))

"""`graphmorph demo`: the main job on the example model that ships with the package."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from graphmorph.cli.fuse import fuse
from graphmorph.cli.options import INPUT_FILE


@click.command("demo")
@click.option(
    "-o", "--output", type=INPUT_FILE, metavar="FILE", help="Where to write. Default: here, MODEL.fused.onnx."
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
def demo(output: Path | None, quiet: bool) -> int:
    """Fuse a small ACNet that was trained on handwritten digits, with its accuracy before and after.

    The command that it stands for is printed first, so that you can run it on a model of your own.
    """
    from graphmorph.models.example import model_path, samples_path

    model = Path(model_path())
    target = output or Path(f"{model.stem}.fused.onnx")
    arguments = [str(model), "--inputs", str(samples_path()), "--labels", "labels", "--output", str(target)]
    if quiet:
        arguments.append("--quiet")
    else:
        click.echo(f"$ graphmorph fuse {shlex.join(arguments)}\n")
    return int(fuse.main(arguments, prog_name="graphmorph fuse", standalone_mode=False) or 0)

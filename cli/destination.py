"""Where a command writes the model that it made: the options that say so, and the file."""

from __future__ import annotations

from pathlib import Path

import click

from graphmorph.cli.options import INPUT_FILE, Decorator, combined


def destination_options(
    became: str, *, dry_run: str, in_place: str = "Replace MODEL itself, once the result is proven."
) -> Decorator:
    """-o, --in-place and --dry-run. `became` goes into the name that a file has by default; the rest is help."""
    return combined(
        click.option(
            "-o",
            "--output",
            type=INPUT_FILE,
            metavar="FILE",
            help=f"File or folder to write to. Default: MODEL.{became}.onnx beside MODEL.",
        ),
        click.option("--in-place", is_flag=True, help=in_place),
        click.option("--dry-run", is_flag=True, help=dry_run),
    )


def destination_of(
    model: Path, output: Path | None, became: str, *, in_place: bool, dry_run: bool, check: bool = False
) -> Path | None:
    """Where to write, or None.

    Raises:
        click.UsageError: options that contradict each other, or an output that is the input itself.
    """
    given = {"--output": output is not None, "--in-place": in_place, "--dry-run": dry_run, "--check": check}
    chosen = [flag for flag, on in given.items() if on]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} exclude each other: give one", click.get_current_context())
    if dry_run or check:
        return None
    if in_place:
        return model
    name = f"{model.stem}.{became}{model.suffix or '.onnx'}"
    if output is None:
        return model.with_name(name)
    if output.is_dir():
        return output / name
    if output.exists() and model.exists() and output.samefile(model):
        raise click.UsageError(f"--output {output} is the model itself: say --in-place to replace it")
    return output

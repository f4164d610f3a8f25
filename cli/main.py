"""Entry point of the `graphmorph` command. Imports click and nothing else, so that help answers at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from graphmorph.cli.failures import exit_code_of
from graphmorph.cli.lazy_group import Entry, LazyGroup
from graphmorph.collector import rare_collections

HELP = """Rewrite neural network graphs, and prove every rewrite.

\b
Exit codes: 0 ok or equal, 1 different (the proof failed), 2 could not
(bad file, bad usage, inconclusive), 3 --check: not in deploy form.
"""

ENTRIES = {
    "fuse": Entry("graphmorph.cli.fuse", "fuse", "From a training-form model to a proven deploy form."),
    "expand": Entry("graphmorph.cli.expand", "expand", "Replace convolutions by blocks of branches, for training."),
    "prune": Entry("graphmorph.cli.prune", "prune", "Remove channels, and prove that nothing else changed."),
    "merge": Entry("graphmorph.cli.merge", "merge", "Merge channels that do the same on calibration data."),
    "insert": Entry("graphmorph.cli.insert", "insert", "Insert a layer, the function preserved."),
    "widen": Entry("graphmorph.cli.widen", "widen", "Add channels, and prove that the function stays."),
    "run": Entry("graphmorph.cli.run", "run", "Run a pipeline of steps from a file, each proven."),
    "groups": Entry("graphmorph.cli.groups", "groups", "List the channels that live and die together."),
    "export": Entry("graphmorph.cli.export", "export", "From a torch module to a proven ONNX file in deploy form."),
    "verify": Entry("graphmorph.cli.verify", "verify", "Compare two models on the same inputs."),
    "inspect": Entry("graphmorph.cli.inspect", "inspect", "Show what is in a model, and what could be fused."),
    "passes": Entry("graphmorph.cli.passes", "passes", "List the passes with their options."),
    "demo": Entry("graphmorph.cli.demo", "demo", "Fuse the example model that ships with the package."),
}

group = LazyGroup(name="graphmorph", help=HELP, entries=ENTRIES)


def show_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Eager callback of --version: print and stop."""
    if wanted and not ctx.resilient_parsing:
        import graphmorph

        click.echo(f"graphmorph {graphmorph.__version__}")
        ctx.exit(0)


group.params.append(
    click.Option(
        ["-V", "--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show_version,
        help="Show the version and exit.",
    )
)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (default: that of the process) and return its exit code."""
    return exit_code_of(lambda: group.main(arguments, prog_name="graphmorph", standalone_mode=False))


def main() -> NoReturn:
    """Console script."""
    with rare_collections():
        sys.exit(run())

"""`graphmorph export`: from a torch module to a proven ONNX file in deploy form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphmorph.cli.factory import parse_arguments
from graphmorph.cli.input_shapes import WantedInput, parse_free_axes, parse_inputs
from graphmorph.cli.options import (
    INPUT_FILE,
    certify_option,
    combined,
    json_option,
    repeated_names,
    seed_option,
    verify_option,
)
from graphmorph.cli.reporting import Ending, ReportOptions, publish, run_and_report

if TYPE_CHECKING:
    from rich.console import RenderableType

    from graphmorph.cli.progress import ProgressBar
    from graphmorph.export_report import ExportReport
    from graphmorph.module_export import ExportResult

factory_options = combined(
    click.option(
        "--factory-arg",
        "factory_arguments",
        multiple=True,
        callback=parse_arguments,
        metavar="KEY=VALUE",
        help="Argument of the factory (repeatable); values are Python literals, or text.",
    ),
    click.option("--weights", type=INPUT_FILE, metavar="FILE.pt", help="state_dict to load into the module."),
    click.option(
        "--input",
        "wanted",
        multiple=True,
        callback=parse_inputs,
        metavar="[NAME=]1x3x224x224[:int64]",
        help="Size and type of an input (repeatable, in order or by name). Default: the usual sizes are tried.",
    ),
)

module_options = combined(
    factory_options,
    click.option(
        "--leaf-module", "leaf_modules", multiple=True, metavar="GLOB", help="Do not trace into such modules."
    ),
)

file_options = combined(
    click.option("-o", "--output", type=INPUT_FILE, required=True, metavar="OUT.onnx", help="File to write."),
    click.option("--dynamic-batch", is_flag=True, help="Free the first axis of every input."),
    click.option(
        "--dynamic",
        "dynamic_shapes",
        multiple=True,
        callback=parse_free_axes,
        metavar="NAME:AXIS=SYMBOL",
        help="Free an axis of an input (repeatable), as x:2=height.",
    ),
    repeated_names("--input-name", metavar="NAME", help="Names of the inputs, in order. Default: those in forward."),
    repeated_names("--output-name", metavar="NAME", help="Names of the outputs, in order."),
    click.option("--opset", type=click.IntRange(min=7), metavar="N", help="Default: the exporter's own."),
    click.option(
        "--exporter",
        type=click.Choice(["dynamo", "legacy"]),
        default="dynamo",
        show_default=True,
        help="dynamo: torch.export. legacy: TorchScript, which traces one run.",
    ),
    click.option("--external-data", is_flag=True, default=None, help="Put the weights into OUT.onnx.data."),
)

step_options = combined(
    click.option("--fuse/--no-fuse", default=True, help="Bring the module into its deploy form (default)."),
    click.option("--cleanup/--no-cleanup", default=True, help="Clean the exported file up, and fuse it (default)."),
    click.option("--keep", multiple=True, metavar="GLOB", help="Leave such modules or nodes as they are (repeatable)."),
    verify_option("Prove the file against the module (default)."),
    certify_option,
    click.option("--samples", type=click.IntRange(min=1), default=1, show_default=True, help="Random samples."),
    seed_option("Seed of the samples."),
    click.option("--rtol", type=click.FloatRange(min=0), help="Relative tolerance, instead of the measured one."),
    click.option("--atol", type=click.FloatRange(min=0), help="Absolute tolerance, instead of the measured one."),
)


@click.command("export")
@click.argument("factory", metavar="PACKAGE.MODULE:FACTORY")
@module_options
@file_options
@step_options
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="List every rewrite, every refusal and every case.")
def export(
    factory: str,
    factory_arguments: dict[str, Any],
    weights: Path | None,
    wanted: list[WantedInput],
    output: Path,
    input_name: tuple[str, ...],
    output_name: tuple[str, ...],
    json_file: str | None,
    quiet: bool,
    verbose: bool,
    **engine_options: Any,
) -> int:
    """Fuse a torch module, export it as ONNX, and prove that the file computes what the module does.

    FACTORY is a function that returns a torch module, a module's class, or a module; it is looked for in the current
    folder too. Nothing is written where the file computes something else.
    """
    import warnings

    from graphmorph.cli.factory import load_module
    from graphmorph.cli.input_shapes import example_inputs
    from graphmorph.errors import RollbackWarning
    from graphmorph.export_report import ExportError

    module = load_module(factory, factory_arguments, weights)
    inputs = example_inputs(module, wanted, engine_options["seed"])

    def run(progress: ProgressBar) -> ExportResult:
        import graphmorph

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RollbackWarning)  # the complaint says it
            return graphmorph.export(
                module,
                output,
                inputs,
                input_names=input_name or None,
                output_names=output_name or None,
                progress=progress,
                **engine_options,
            )

    report = ReportOptions(json_file, None, quiet, verbose)
    try:
        return run_and_report(run, lambda made: ending_of(made.report, made.exit_code, verbose=verbose), report)
    except ExportError as error:
        publish(ending_of(error.report, error.exit_code, verbose=verbose), report)
        raise


def ending_of(report: ExportReport, code: int, *, verbose: bool) -> Ending:
    """What an export ended with."""
    from graphmorph.cli.outcome import rolled_back_text

    def rendered() -> RenderableType:
        from graphmorph.cli.render_export import render_export

        return render_export(report, verbose=verbose)

    fusion = report.fusion
    complaint = rolled_back_text(fusion) if fusion is not None and fusion.rolled_back else ""
    return Ending(code, complaint, report.to_json, rendered)

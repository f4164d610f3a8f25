"""The view of `graphmorph inspect --kernels` on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from graphmorph.cli.numbers import plural
from graphmorph.cli.render_report import refusal_section
from graphmorph.cli.terminal import body, heading, indented, table
from graphmorph.report import RefusalReport

if TYPE_CHECKING:
    from graphmorph.kernels.inspection import AverageMagnitudes, KernelReport

LIGHT, DARK = (247, 251, 255), (8, 48, 107)


def render_kernels(model: str, report: KernelReport, *, verbose: bool = False) -> RenderableType:
    """The matrix A of each kernel size in colours, what its parts weigh, and what was left out."""
    parts: list[RenderableType] = [Text.assemble((model, "bold"), ("  average kernel magnitudes", "dim"))]
    if not report.sizes:
        parts.append(heading("no square kernels", "no convolution has a k x k kernel with k odd and above 1"))
    for average in report.sizes:
        size = average.size
        parts.append(heading(f"{size} x {size} kernels", plural(len(average.layers), "layer")))
        parts += [body(_matrix(average)), Text(""), body(_parts(average, verbose=verbose))]
    refusals = [RefusalReport("kernels", r.node, r.op, r.reason) for r in report.skipped]
    parts += refusal_section(refusals, verbose=verbose)
    if report.notes:
        parts += [heading("notes"), *(indented(note) for note in report.notes)]
    return Group(*parts)


def _matrix(average: AverageMagnitudes) -> Table:
    grid = Table.grid()
    for row in average.matrix.tolist():
        grid.add_row(*(Text(f" {value:.3f} ", style=_colour(value)) for value in row))
    return grid


def _colour(value: float) -> str:
    """Dark where a position weighs much."""
    red, green, blue = (round(low + (high - low) * value) for low, high in zip(LIGHT, DARK, strict=True))
    return f"{'white' if value > 0.5 else 'black'} on rgb({red},{green},{blue})"


def _parts(average: AverageMagnitudes, *, verbose: bool) -> Table:
    """Means over the skeleton and over the corners: of all layers, and of each."""
    result = table("layer", "weight", "skeleton", "corners", numbers_from=2)
    result.add_row("average", "", f"{average.skeleton:.3f}", f"{average.corner:.3f}")
    for layer in average.layers if verbose else ():
        shape = " x ".join(str(size) for size in layer.shape)
        result.add_row(layer.layer, shape, f"{layer.skeleton:.3f}", f"{layer.corner:.3f}")
    return result

"""The view of `graphmorph inspect` on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from graphmorph.cli.numbers import bytes_of, count, plural
from graphmorph.cli.render_report import refusal_section, rewrite_lines
from graphmorph.cli.terminal import body, heading, indented, table

if TYPE_CHECKING:
    from graphmorph.inspection import Inspection, Port
    from graphmorph.report import ModelSummary, RewriteReport

OPERATORS_SHOWN = 12
REWRITES_SHOWN = 10


def render_inspection(model: str, inspection: Inspection, *, verbose: bool = False) -> RenderableType:
    """Ports, sizes, possible rewrites by kind, and refusals by reason."""
    versions = f"opset {inspection.opset}, IR version {inspection.ir_version}"
    parts: list[RenderableType] = [Text.assemble((model, "bold"), (f"  {versions}", "dim"), "\n")]
    parts += [
        body(ports_table(inspection.inputs, inspection.outputs)),
        heading("size"),
        body(_sizes(inspection.summary)),
    ]
    parts += [heading("operators"), indented(_operators(inspection.summary, verbose=verbose))]
    parts += list(_possible(inspection.rewrites, verbose=verbose))
    parts += refusal_section(inspection.refusals, verbose=verbose)
    if inspection.notes:
        parts += [heading("notes"), *(indented(note) for note in inspection.notes)]
    return Group(*parts)


def ports_table(inputs: list[Port], outputs: list[Port]) -> RenderableType:
    """What goes in and comes out of a model."""
    result = table("", "name", "type", "shape", numbers_from=9)
    for direction, ports in (("input", inputs), ("output", outputs)):
        for port in ports:
            result.add_row(direction, port.name, port.dtype, _shape(port))
    return result


def _shape(port: Port) -> str:
    return " x ".join(str(size) for size in port.shape)


def _sizes(summary: ModelSummary) -> RenderableType:
    result = table("", "", numbers_from=1)
    result.show_header = False
    for name, value in (
        ("nodes", count(summary.nodes)),
        ("convolutions", count(summary.convolutions)),
        ("batch normalizations", count(summary.batchnorms)),
        ("branch sums", count(summary.branch_adds)),
        ("parameters", count(summary.parameters)),
        ("multiply-adds", count(summary.macs)),
        ("weights", bytes_of(summary.weight_bytes)),
    ):
        result.add_row(name, value)
    return result


def _operators(summary: ModelSummary, *, verbose: bool) -> str:
    counts = sorted(summary.operators.items(), key=lambda entry: -entry[1])
    shown = counts if verbose else counts[:OPERATORS_SHOWN]
    text = ", ".join(f"{number:,} {operator}" for operator, number in shown)
    hidden = len(counts) - len(shown)
    return f"{text}, and {plural(hidden, 'kind')} more" if hidden else text


def _possible(rewrites: list[RewriteReport], *, verbose: bool) -> Iterator[RenderableType]:
    """Rewrites that `fuse` would make: each one, or counted by pass and summary."""
    if not rewrites:
        yield heading("nothing to rewrite", "the model is in deploy form")
        return
    yield heading("could be rewritten", plural(len(rewrites), "site"))
    if verbose:
        yield from rewrite_lines(rewrites)
        return
    kinds = Counter((rewrite.pass_name, rewrite.summary) for rewrite in rewrites).most_common()
    result = table("pass", "what", "sites", numbers_from=2)
    for (pass_name, summary), number in kinds[:REWRITES_SHOWN]:
        result.add_row(pass_name, summary, count(number))
    yield body(result)
    if len(kinds) > REWRITES_SHOWN:
        yield indented(f"and {plural(len(kinds) - REWRITES_SHOWN, 'kind')} more: --verbose lists all", "dim")

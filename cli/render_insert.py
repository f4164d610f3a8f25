"""The report of `graphmorph insert` on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from graphmorph.cli.numbers import MISSING, bytes_of, count, duration, error, percent, plural
from graphmorph.cli.render_measures import measured_change, phases
from graphmorph.cli.render_proof import render_proof
from graphmorph.cli.terminal import body, heading, indented, table

if TYPE_CHECKING:
    from graphmorph.layer_insertion.report import InsertReport, LayerReport
    from graphmorph.layer_insertion.suggestions import Suggestion

#: How many of the outputs that are given again worst are named.
WORST = 5
PLACES = 30


def render_insert(report: InsertReport, *, verbose: bool = False) -> RenderableType:
    """What was inserted, how well the next layer gives its outputs again, and how far those of the model moved."""
    parts: list[RenderableType] = [_title(report), Text(""), body(_sizes(report))]
    parts += _explained(report.layer, verbose=verbose)
    if report.proof is not None:
        parts += render_proof(report.proof, verbose=verbose)
    if report.change is not None:
        parts += measured_change(report.change)
    if verbose:
        parts += [heading("time", f"peak memory {bytes_of(report.peak_bytes)}"), body(phases(report.seconds))]
    else:
        spent = duration(sum(report.seconds.get(phase, 0.0) for phase in ("solving", "inserting")))
        parts.append(Text(f"\n  {spent}, peak memory {bytes_of(report.peak_bytes)}", "dim"))
    if report.notes:
        parts += [heading("notes"), *(indented(note) for note in report.notes)]
    parts += [Text(), *(Text.assemble("wrote ", (file, "bold")) for file in report.files)]
    return Group(*parts)


def render_suggestions(found: list[Suggestion]) -> RenderableType:
    """The places, the first ones first."""
    shown = found[:PLACES]
    tried = any(one.explained is not None for one in shown)
    several = len({one.after for one in shown}) < len(shown)
    before = ["before"] if several else []
    result = table("after", *before, "through", "channels", "parameters", "multiply-adds", "identity", "R2")
    for one in shown:
        adds = MISSING if one.multiply_adds is None else count(one.multiply_adds)
        explained = MISSING if one.explained is None else f"{one.explained:.4f}"
        result.add_row(
            one.after,
            *([one.before] if several else []),
            " ".join(one.path) or MISSING,
            count(one.channels),
            f"+{count(one.parameters)}",
            f"+{adds}",
            "yes" if one.identity else "no",
            explained,
        )
    about = "by how much of the next layer a random layer keeps" if tried else "by cost; with --calibration, by R2"
    parts: list[RenderableType] = [heading("places", f"{plural(len(found), 'place')}, {about}"), body(result)]
    if len(found) > len(shown):
        parts.append(indented(f"and {plural(len(found) - len(shown), 'place')} more: --json lists all", "dim"))
    refused = dict.fromkeys(one.refused for one in shown if one.refused)
    return Group(*parts, *(indented(str(reason), "dim") for reason in refused))


def _title(report: InsertReport) -> Text:
    layer = report.layer
    size = "x".join(map(str, layer.kernel))
    what = f"{size} convolution" if size else "fully connected layer"
    width = count(layer.kept) if layer.kept == layer.redundant else f"{count(layer.redundant)} -> {count(layer.kept)}"
    return Text.assemble(
        (report.model, "bold"),
        "  ",
        (f"{what}, {width} channels, {layer.activation}", "bold green"),
        (f"  ({layer.algorithm}) behind {layer.place}", "dim"),
    )


def _sizes(report: InsertReport) -> RenderableType:
    result = table("", "before", "after")
    result.add_row("parameters", count(report.before.parameters), count(report.after.parameters))
    if report.before.macs is not None and report.after.macs is not None:
        result.add_row("multiply-adds", count(report.before.macs), count(report.after.macs))
    if report.latency is not None:
        result.add_row("latency", f"{report.latency.before_ms:.2f} ms", f"{report.latency.after_ms:.2f} ms")
    return result


def _explained(layer: LayerReport, *, verbose: bool) -> Iterator[RenderableType]:
    """R² of the next layer's outputs: mean, least, and which are worst."""
    if layer.explained is None:
        return
    values = layer.explained
    about = f"R2 of {plural(len(values), 'output')} of the next layer, {plural(layer.rows, 'row')} of calibration data"
    yield heading("reconstruction", about)
    yield Text(f"  mean {sum(values) / len(values):.4f}, least {min(values):.4f}")
    order = sorted(range(len(values)), key=values.__getitem__)[: None if verbose else WORST]
    result = table("output", "R2", "missed")
    for index in order:
        result.add_row(str(index), f"{values[index]:.4f}", percent(1 - values[index]))
    yield body(result)
    if layer.penalty is not None:
        yield indented(f"lambda {error(layer.penalty)}", "dim")

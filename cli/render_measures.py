"""What was measured of an approximate rewrite: change of the outputs, speed, and where the time went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from graphmorph.cli.numbers import MISSING, duration, error, percent, plural
from graphmorph.cli.terminal import body, heading, table

if TYPE_CHECKING:
    from graphmorph.pruning.change import Change, Latency


def speed(latency: Latency | None, macs_left: float = 1.0) -> Iterator[RenderableType]:
    """Said in words where a model that is to be smaller is no faster."""
    if latency is None or not latency.slower:
        return
    longer = f"a run takes {100 * (latency.after_ms / latency.before_ms - 1):.0f} % longer"
    less = macs_left < 1
    although = ", although there are fewer multiply-adds: widths that are multiples of 8 or 16 run faster (--round-to)"
    yield Text.assemble("\n  ", ("slower", "bold red"), f": {longer}{although if less else ''}")


def measured_change(moved: Change) -> list[RenderableType]:
    """How far the outputs are from those of the original."""
    inputs = "given inputs" if moved.source == "given" else "drawn inputs"
    parts: list[RenderableType] = [
        heading("change", f"against the original, on {plural(moved.samples, 'set')} of {inputs}")
    ]
    result = table("output", "relative error", "max change", "cosine", "same class")
    for one in moved.outputs:
        agreement = MISSING if one.argmax_agreement is None else percent(one.argmax_agreement)
        result.add_row(one.name, error(one.relative_error), error(one.max_abs), f"{one.cosine:.4f}", agreement)
    parts.append(body(result))
    if moved.accuracy is not None:
        before, after, samples = moved.accuracy.before, moved.accuracy.after, moved.accuracy.samples
        parts.append(
            Text.assemble(
                "  accuracy ",
                (percent(before), "bold"),
                " before, ",
                (percent(after), "bold"),
                f" after, on {plural(samples, 'sample')}",
            )
        )
    return parts


def phases(seconds: dict[str, float]) -> RenderableType:
    """Seconds by phase."""
    result = table("phase", "time")
    for phase, spent in seconds.items():
        result.add_row(phase, duration(spent))
    return result

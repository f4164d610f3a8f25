"""A bar chart of the width of each group, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphmorph.pruning.report import GroupReport

WIDTH_INCHES, ROW_INCHES, FRAME_INCHES = 8.0, 0.19, 0.9
WHOLE, KEPT = "#c6dbef", "#08519c"
NAME_LENGTH = 48


def draw_widths(groups: Sequence[GroupReport], path: Path) -> None:
    """One bar a group, in the order of the graph from the top; the file's ending chooses the format."""
    from matplotlib.figure import Figure

    height = FRAME_INCHES + ROW_INCHES * len(groups)
    figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
    axes = figure.subplots()
    rows = range(len(groups))
    before = [group.units * group.width for group in groups]
    after = [(group.units - group.removed) * group.width for group in groups]
    axes.barh(rows, before, height=0.8, color=WHOLE, label="before")
    axes.barh(rows, after, height=0.8, color=KEPT, label="after")
    axes.set_yticks(rows, [_short(group.name) for group in groups], fontsize=7)
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.margins(x=0.08)
    for row, (old, new) in enumerate(zip(before, after, strict=True)):
        axes.annotate(f"{new} / {old}", (old, row), (3, 0), textcoords="offset points", va="center", fontsize=6)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel("channels", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper right", ncols=2, frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)


def _short(name: str) -> str:
    """The end of a name, which says more than its start."""
    return name if len(name) <= NAME_LENGTH else f"...{name[3 - NAME_LENGTH :]}"

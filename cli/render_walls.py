"""Layers that must keep their channels, by the operator that is the wall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from graphmorph.cli.numbers import count, plural
from graphmorph.cli.refusal_groups import pattern
from graphmorph.cli.terminal import body, heading, indented, table

if TYPE_CHECKING:
    from graphmorph.channels.elements import Reason
    from graphmorph.channels.walls import Wall

WALLS_SHOWN = 8
NO_REASON = "its channels meet an axis that has no elements"


def wall_section(walls: list[Wall], *, verbose: bool) -> list[RenderableType]:
    """Layers by the reason that keeps most of their channels, or every layer with all of its reasons."""
    if not walls:
        return []
    parts: list[RenderableType] = [heading("must stay whole", plural(len(walls), "layer"))]
    if verbose:
        return parts + [
            Text.assemble("  ", (wall.op, "cyan"), f" {wall.node} ({wall.channels:,}): ", (str(wall), "dim"))
            for wall in walls
        ]
    groups = group_walls(walls)
    result = table("layers", "because of", "which", "first layer", numbers_from=9)
    for reason, kept in groups[:WALLS_SHOWN]:
        where, why = (f"{reason.op} {reason.node}", reason.text) if reason is not None else ("", NO_REASON)
        result.add_row(count(len(kept)), where, why, f"{kept[0].node} ({kept[0].channels:,})")
    parts.append(body(result))
    if len(groups) > WALLS_SHOWN:
        parts.append(indented(f"and {plural(len(groups) - WALLS_SHOWN, 'more reason')}: --verbose lists all", "dim"))
    return parts


def group_walls(walls: list[Wall]) -> list[tuple[Reason | None, list[Wall]]]:
    """Walls whose first reasons differ in names and numbers at most; most layers first."""
    groups: dict[tuple[str, str], tuple[Reason | None, list[Wall]]] = {}
    for wall in walls:
        reason = next(iter(wall.reasons), None)
        key = ("", "") if reason is None else (reason.op, pattern(reason.text, reason.node))
        groups.setdefault(key, (reason, []))[1].append(wall)
    return sorted(groups.values(), key=lambda group: -len(group[1]))

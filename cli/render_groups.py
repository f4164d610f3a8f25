"""The view of `graphmorph groups` on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from graphmorph.cli.numbers import count, percent, plural
from graphmorph.cli.render_walls import wall_section
from graphmorph.cli.terminal import body, heading, indented, table

if TYPE_CHECKING:
    from graphmorph.pruning.listing import ChannelGroups, ChoiceListing, GroupListing, MemberListing

GROUPS_SHOWN = 40
PLACES_SHOWN = 4


def render_groups(found: ChannelGroups, *, verbose: bool = False) -> RenderableType:
    """Groups with what one unit of each saves, what must stay whole, and which factors of an axis may shrink."""
    sizes = f"{count(found.parameters)} parameters, {count(found.multiply_adds)} multiply-adds"
    parts: list[RenderableType] = [Text.assemble((found.model, "bold"), (f"  {sizes}", "dim"))]
    parts += _groups(found, verbose=verbose)
    parts += wall_section(found.walls, verbose=verbose)
    parts += _choices(found.choices, verbose=verbose)
    if found.notes:
        parts += [heading("notes"), *(indented(note) for note in found.notes)]
    return Group(*parts)


def _groups(found: ChannelGroups, *, verbose: bool) -> list[RenderableType]:
    groups = found.groups
    if not groups:
        return [heading("no groups", "every layer must keep its channels" if found.walls else "no layer has channels")]
    units = sum(group.units for group in groups)
    remark = f"{plural(len(groups), 'group')}, {plural(units, 'unit')}; parameters and multiply-adds: what a unit saves"
    parts: list[RenderableType] = [heading("groups", remark)]
    if verbose:
        return parts + [line for group in groups for line in _with_members(group, found)]
    result = table("group", "units", "width", "members", "parameters", "multiply-adds")
    for group in groups[:GROUPS_SHOWN]:
        result.add_row(
            group.name, count(group.units), count(group.width), count(len(group.members)), *_savings(group, found)
        )
    parts.append(body(result))
    if len(groups) > GROUPS_SHOWN:
        parts.append(indented(f"and {plural(len(groups) - GROUPS_SHOWN, 'group')} more: --verbose lists all", "dim"))
    return parts


def _saving(part: int, total: int) -> str:
    """`1,153 (0.10 %)`."""
    return f"{count(part)} ({percent(part / max(total, 1))})"


def _savings(group: GroupListing, found: ChannelGroups) -> tuple[str, str]:
    return _saving(group.parameters, found.parameters), _saving(group.multiply_adds, found.multiply_adds)


def _with_members(group: GroupListing, found: ChannelGroups) -> Iterator[RenderableType]:
    parameters, multiply_adds = _savings(group, found)
    each = f"{plural(group.units, 'unit')} of {plural(group.width, 'channel')}"
    saved = f"each {parameters} and {multiply_adds}"
    yield Text.assemble("  ", (group.name, "bold"), f"  {each}, ", (saved, "dim"))
    for member in group.members:
        where = f"axis {member.axis}, first unit at {_places(member)}; read by {', '.join(member.readers)}"
        yield Text.assemble(f"    {member.constant} ", (where, "dim"))


def _places(member: MemberListing) -> str:
    first = member.indices[0]
    return ", ".join(map(str, first[:PLACES_SHOWN])) + (", ..." if len(first) > PLACES_SHOWN else "")


def _choices(choices: list[ChoiceListing], *, verbose: bool) -> list[RenderableType]:
    """Axes that are products of factors, of which one shrinks."""
    if not choices:
        return []
    parts: list[RenderableType] = [
        heading("choices", f"{plural(len(choices), 'site')} where a factor of an axis shrinks")
    ]
    if not verbose:
        return [*parts, indented("--verbose lists them", "dim")]
    for one in choices:
        forced = ", as nothing else can" if one.forced else ""
        parts.append(
            Text.assemble("  ", (one.op, "cyan"), f" {one.node}: ", (f"{one.condition}; {one.shrinks}{forced}", "dim"))
        )
    return parts

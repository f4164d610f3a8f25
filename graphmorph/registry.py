"""The passes that are installed, found by the entry-point group `graphmorph.passes`: ours and other people's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from graphmorph.errors import UsageError
from graphmorph.rewrite import Rewrite

GROUP = "graphmorph.passes"


@cache
def _entries() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if entry.name in found and found[entry.name].value != entry.value:
            raise UsageError(
                f"two installed packages register a pass {entry.name}: {found[entry.name].value}, {entry.value}"
            )
        found[entry.name] = entry
    return found


def available() -> dict[str, type[Rewrite]]:
    """Every installed pass by name."""
    return {name: load(name) for name in sorted(_entries())}


def load(name: str) -> type[Rewrite]:
    """The class of one pass.

    Raises:
        UsageError: no such pass, or one that is not a Rewrite.
    """
    entry = _entries().get(name)
    if entry is None:
        raise UsageError(f"no pass named {name}; installed are {', '.join(sorted(_entries())) or 'none'}")
    loaded = entry.load()
    if not (isinstance(loaded, type) and issubclass(loaded, Rewrite)):
        raise UsageError(f"pass {name} ({entry.value}) is not a graphmorph.Rewrite")
    return loaded


def create(name: str, options: Mapping[str, Any] | None = None) -> Rewrite:
    """A pass with options.

    Raises:
        UsageError: an option that the pass does not have.
    """
    pass_class = load(name)
    known = {field.name for field in fields(pass_class)}
    for option in options or {}:
        if option not in known:
            raise UsageError(f"pass {name} has no option {option}; it has {', '.join(pass_class.options()) or 'none'}")
    return pass_class(**dict(options or {}))

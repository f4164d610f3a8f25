"""`graphmorph passes`: the registry, with every pass's summary and options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from graphmorph.cli.options import json_option

if TYPE_CHECKING:
    from graphmorph import Rewrite


@click.command("passes")
@json_option
def passes(json_file: str | None) -> None:
    """List the passes: what each does, and the options that --set takes."""
    from graphmorph.cli.json_output import STDOUT, write_json

    described = [describe(name, rewrite) for name, rewrite in registered().items()]
    if json_file is not None:
        write_json({"passes": described}, json_file)
    if json_file != STDOUT:
        _print(described)


def registered() -> dict[str, type[Rewrite]]:
    """Every installed pass: those that `fuse` runs in their order, then the others by name."""
    from graphmorph.pipeline import FUSE_PIPELINE
    from graphmorph.registry import available

    found = available()
    return {name: found[name] for name in (*FUSE_PIPELINE, *found) if name in found}


def describe(name: str, rewrite: type[Rewrite]) -> dict[str, Any]:
    """One pass as plain data: name, kind, summary, where it comes from, options with type and default."""
    from graphmorph.cli.pass_settings import option_types

    types, defaults = option_types(rewrite), rewrite.options()
    return {
        "name": name,
        "kind": rewrite.kind,
        "summary": rewrite.summary,
        "origin": f"{rewrite.__module__}:{rewrite.__qualname__}",
        "options": [
            {"name": option, "type": type_name(types[option]), "default": defaults[option]} for option in types
        ],
    }


def type_name(hint: Any) -> str:
    """A type as it is written: `int`, `float | None`."""
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _print(described: list[dict[str, Any]]) -> None:
    from rich.text import Text

    from graphmorph.cli.terminal import report_console

    console = report_console()
    for one in described:
        console.print(Text.assemble((one["name"], "bold"), f"  {one['kind']}", style="cyan"))
        console.print(Text("  " + one["summary"]))
        for option in one["options"]:
            setting = f"  --set {one['name']}.{option['name']}={option['default']}"
            console.print(Text.assemble((setting, "dim"), f"  ({option['type']})"))

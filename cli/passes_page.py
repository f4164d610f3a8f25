"""Generates docs/passes.md from the registry: `python -m graphmorph.cli.passes_page docs/passes.md`."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphmorph.cli.passes import describe, registered

if TYPE_CHECKING:
    from graphmorph import Rewrite

OPENING = """# The passes

Generated from the registry by `make docs`: do not edit by hand. An installed third-party pass joins the
list of `graphmorph passes` through an entry point; see [writing-a-pass.md](writing-a-pass.md).
"""


def page(passes: dict[str, type[Rewrite]]) -> str:
    """The page as Markdown: a section a pass, in the order of the registry."""
    return "\n".join([OPENING, *(_section(describe(name, rewrite), rewrite) for name, rewrite in passes.items())])


def own_passes() -> dict[str, type[Rewrite]]:
    """The registered passes that this project ships."""
    own = "graphmorph.passes."
    return {name: rewrite for name, rewrite in registered().items() if rewrite.__module__.startswith(own)}


def _section(described: dict[str, Any], rewrite: type[Rewrite]) -> str:
    lines = [f"## {described['name']}", "", f"*{described['kind']}*: {described['summary']}", ""]
    # A dataclass without a docstring has its own signature for one.
    if rewrite.__doc__ and not rewrite.__doc__.startswith(f"{rewrite.__name__}("):
        lines += [inspect.cleandoc(rewrite.__doc__), ""]
    if described["options"]:
        lines += ["| option | type | default |", "|---|---|---|"]
        lines += [
            f"| `--set {described['name']}.{one['name']}=...` | `{one['type']}` | `{one['default']}` |"
            for one in described["options"]
        ]
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Write the page to the file named on the command line."""
    Path(sys.argv[1]).write_text(page(own_passes()), encoding="utf-8")


if __name__ == "__main__":
    main()

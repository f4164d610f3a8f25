"""Generates docs/torch-rules.md: `python -m graphmorph.cli.torch_rules_page docs/torch-rules.md`."""

from __future__ import annotations

import sys
from pathlib import Path

OPENING = """# What the torch.fx door understands

Generated from the rule tables by `make docs`: do not edit by hand. A call that is in no table, or that a rule refuses
(with a reason), is carried through as one opaque node: passes treat it as a wall, and nothing of it is lost.

## Lowered to ONNX (opset 20)

By rule file of `graphmorph/torch_door/rules`. In-place forms (`relu_`, `+=`, `inplace=True`) follow the same rules.
"""

TRANSLATED = """## Translated back to torch

ONNX operators, with the versions understood, that `materialise` makes modules and calls of where a pass changed or
added nodes, and in graphs that were loaded from files. What no pass touched needs no translation.
"""


def page() -> str:
    """The page as Markdown."""
    from graphmorph.torch_door.rule_table import supported
    from graphmorph.torch_door.translation_table import load_translations

    lines = [OPENING, "| rules | calls |", "|---|---|"]
    lines += [f"| {name} | {', '.join(f'`{call}`' for call in calls)} |" for name, calls in supported().items()]
    lines += ["", TRANSLATED, "| operator | versions |", "|---|---|"]
    for op, (_, versions) in sorted(load_translations().items()):
        lines.append(f"| {op} | {', '.join(str(version) for version in sorted(versions))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page to the file named on the command line."""
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()

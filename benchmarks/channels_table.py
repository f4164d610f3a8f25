"""The table of benchmarks/results/channels.json: for each tool what works, what is left, and how long it takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]

#: Analysis and rewriting; of Torch-Pruning, its dependency build and prune.
PHASES = ("dependencies", "removal", "materialising", "build", "prune")

#: What comes before: folding constants, or tracing; sizes; scores.
PREPARATION = ("clean-up", "tracing", "sizes", "choosing")


#: Columns of the summary, in seconds.
TIMES = ("analysis and rewriting (median)", "most", "preparation (median)")


def print_table(rows: Sequence[Row]) -> None:
    """Print one line for each architecture, then a summary for each tool and form."""
    console = Console(width=160)
    console.print(_architectures(rows))
    console.print(_summary(rows))
    for line in comparison(rows):
        console.print(line)


def seconds(row: Row, names: Sequence[str] = PHASES) -> float | None:
    """Of some phases together; None for a trial that failed."""
    phases = row.get("seconds", {})
    return sum(phases.get(name, 0.0) for name in names) if phases else None


def comparison(rows: Sequence[Row]) -> list[str]:
    """Ours on the traced module and on the file beside Torch-Pruning, over the architectures that both prune."""
    by_tool: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in rows:
        if row["form"] == "static" and "error" not in row:
            by_tool[row["tool"]][row["key"]] = row
    theirs, lines = by_tool["torch-pruning"], []
    for tool in ("graphmorph-file", "graphmorph-module"):
        both = [(by_tool[tool][key], theirs[key]) for key in by_tool[tool] if key in theirs]
        more = [ours["key"] for ours, other in both if ours["parameters"] > other["parameters"] + 0.005]
        timed = [(ours["key"], seconds(ours), seconds(other)) for ours, other in both]
        slower = [key for key, mine, other in timed if mine is not None and other is not None and mine > other / 5]
        lines.append(f"{tool}: both prune {len(both)}; more parameters left in {len(more)}: {', '.join(more)}")
        shares = [mine / other for _, mine, other in timed if mine is not None and other]
        if shares:
            lines.append(f"{tool}: median share of Torch-Pruning's time {median(shares):.3f}")
        lines.append(f"{tool}: more than a fifth of Torch-Pruning's time in {len(slower)}: {', '.join(slower)}")
    return lines


#: Names in the documentation, in its order.
TITLES = {
    "graphmorph-file": "graphmorph, ONNX file",
    "graphmorph-module": "graphmorph, torch module",
    "torch-pruning": "Torch-Pruning, torch module",
    "onnxsim": "onnxsim, ONNX file",
}


def markdown(rows: Sequence[Row]) -> str:
    """The table of docs/channels.md: public architectures only, in their static form."""
    public = [row for row in rows if row["form"] == "static" and not row["key"].startswith("models:")]
    lines = [
        "| tool | works on | parameters left (median) | more than half left | analyse and rewrite, s (median, most) |",
        "|---|---:|---:|---:|---:|",
    ]
    for tool, title in TITLES.items():
        found = [row for row in public if row["tool"] == tool]
        good = [row for row in found if "error" not in row]
        left = [row["parameters"] for row in good]
        spent = [s for row in good if (s := seconds(row)) is not None]
        if good:
            more = sum(share > 0.5 for share in left)
            time = f"{median(spent):.3f}, {max(spent):.2f}" if tool != "onnxsim" else "-"
            lines.append(f"| {title} | {len(good)} of {len(found)} | {median(left):.3f} | {more} | {time} |")
    return "\n".join(lines)


def _architectures(rows: Sequence[Row]) -> Table:
    table = Table(title="half of every group: parameters left (seconds)")
    tools = list(dict.fromkeys(row["tool"] for row in rows))
    for name in ("architecture", "form", "groups", *tools):
        table.add_column(name)
    cells: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        cells[row["key"], row["form"]][row["tool"]] = row
    for (key, form), found in cells.items():
        groups = next((str(row["groups"]) for row in found.values() if "groups" in row), "")
        table.add_row(key, form, groups, *(_cell(found.get(tool)) for tool in tools))
    return table


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    if "error" in row:
        return f"[red]{row['error'][:28]}[/red]"
    spent = seconds(row)
    return f"{row['parameters']:.3f} ({spent:.2f})" if spent is not None else f"{row['parameters']:.3f}"


def _summary(rows: Sequence[Row]) -> Table:
    table = Table(title="summary")
    for name in ("tool", "form", "tried", "work", "left (median)", "more than half left", *TIMES):
        table.add_column(name)
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["tool"], row["form"]].append(row)
    for (tool, form), found in groups.items():
        good = [row for row in found if "error" not in row]
        left = [row["parameters"] for row in good]
        spent = [s for row in good if (s := seconds(row)) is not None]
        before = [s for row in good if (s := seconds(row, PREPARATION)) is not None]
        table.add_row(
            tool,
            form,
            str(len(found)),
            str(len(good)),
            f"{median(left):.3f}" if left else "",
            str(sum(share > 0.5 for share in left)),
            f"{median(spent):.3f}" if spent else "",
            f"{max(spent):.2f}" if spent else "",
            f"{median(before):.3f}" if any(before) else "",
        )
    return table

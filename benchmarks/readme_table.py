"""Writes the README's table against its peers from benchmarks/results/fuse.json.

The file's shape: {"machine": str, "versions": {tool: version}, "runs": [{"model", "tool", "seconds",
"peak_mib", "nodes", "convolutions", "latency_ms"}]}. A number that is null is shown as a dash.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "fuse.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- table:begin -->", "<!-- table:end -->"
COLUMNS = (
    ("convolutions", "convolutions", "{:.0f}"),
    ("nodes", "nodes", "{:.0f}"),
    ("latency_ms", "latency, ms", "{:.1f}"),
    ("seconds", "tool's time, s", "{:.2f}"),
    ("peak_mib", "peak memory, MiB", "{:.0f}"),
)


def main() -> None:
    """Replace what stands between the README's markers."""
    text = README.read_text(encoding="utf-8")
    README.write_text(with_table(text, json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")


def with_table(readme: str, results: dict[str, Any]) -> str:
    """`readme` with the table of `results` between its markers."""
    head, _, rest = readme.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table(results)}\n{END}{tail}"


def table(results: dict[str, Any]) -> str:
    """The runs as a Markdown table, with a line below on what they were measured with."""
    lines = [
        "| model | tool | " + " | ".join(title for _, title, _ in COLUMNS) + " |",
        "|---|---|" + "---:|" * len(COLUMNS),
    ]
    previous = None
    for run in results["runs"]:
        cells = [form.format(run[key]) if run.get(key) is not None else "-" for key, _, form in COLUMNS]
        model = run["model"] if run["model"] != previous else ""
        previous = run["model"]
        lines.append(f"| {model} | {run['tool']} | " + " | ".join(cells) + " |")
    versions = ", ".join(f"{tool} {version}" for tool, version in results["versions"].items())
    return "\n".join(lines) + f"\n\nMeasured on {results['machine']} with {versions}."


if __name__ == "__main__":
    main()

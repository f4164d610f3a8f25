"""Figures on pruning in README and docs are those of the kept results."""

from __future__ import annotations

import json
import re
from pathlib import Path

from benchmarks.channels_accuracy import RESULTS, table
from benchmarks.channels_table import markdown

ROOT = Path(__file__).resolve().parent.parent


def test_the_table_of_accuracies_is_that_of_the_kept_run() -> None:
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    assert table(rows) in (ROOT / "docs" / "channels.md").read_text(encoding="utf-8")


def test_the_table_of_tools_is_that_of_the_kept_run() -> None:
    rows = json.loads((RESULTS.parent / "channels.json").read_text(encoding="utf-8"))["trials"]
    assert markdown(rows) in (ROOT / "docs" / "channels.md").read_text(encoding="utf-8")


def test_the_readme_quotes_the_kept_run() -> None:
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    kept = {row["repair"]: row for row in rows if (row["criterion"], row["ratio"]) == ("reconstruction", 0.5)}
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    found = re.search(r"keeps ([\d.]+) % of its ([\d.]+) % accuracy, and without `--repair` ([\d.]+) %", readme)
    assert found is not None
    quoted = [float(number) for number in found.groups()]
    assert quoted == [round(100 * n, 1) for n in (kept[True]["after"], kept[True]["before"], kept[False]["after"])]

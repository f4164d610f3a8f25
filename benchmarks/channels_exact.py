"""`python -m benchmarks.channels_exact`: dead, constant and duplicate channels, planted into many architectures.

A tenth of every group is planted of each kind: dead (outgoing weights of zero), zero and constant (no incoming weights,
without and with biases), duplicate. Legal is what arithmetic allows, judged by running the planted model: a constant
under zero padding is not, nor one that only some versions of a runtime keep constant. What is removed is proven against
the planted model. Architectures and files are those of benchmarks.channels; rows that are not run again keep their
numbers in benchmarks/results/channels_exact.json.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.channels import CACHE, ROOT, run
from benchmarks.channels_exact_planting import PLANTS
from benchmarks.channels_export import Form, forms_of, path_of
from benchmarks.channels_zoo import Entry, entries
from benchmarks.results import Results

RESULTS = ROOT / "benchmarks" / "results" / "channels_exact.json"
COLUMNS = ("planted", "legal", "found", "beyond")
Row = dict[str, Any]


def main() -> None:
    """Run the trials that were asked for, saving after each, and print the tables."""
    options = arguments()
    results = Results(options.results)
    rows: list[Row] = results.data.setdefault("trials", [])
    done = {(row["key"], row["form"]) for row in rows}
    trials = (
        []
        if options.table
        else [
            (one, form)
            for one in entries()
            for form in forms_of(one)
            if any(word in one.key for word in options.model or [""])
            and form in (options.form or [form])
            and not (options.missing and (one.key, form) in done)
        ]
    )
    for one, form in track(trials, description="channels, exactly"):
        found = run(command(options.cache, one, form), options.timeout)
        rows[:] = [row for row in rows if (row["key"], row["form"]) != (one.key, form)]
        rows.append({"key": one.key, "form": form, **found})
        results.save()
    print_tables(rows)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", action="append", metavar="WORD", help="only architectures whose key contains WORD")
    add("--form", action="append", help="only this form of the files (default: all)")
    add("--missing", action="store_true", help="only files that have no row yet")
    add("--timeout", type=float, default=300.0, help="seconds for one trial (default 300)")
    add("--table", action="store_true", help="run nothing, print what is there")
    add("--cache", type=Path, default=CACHE, help="folder for models (default build/benchmarks/channels)")
    add("--results", type=Path, default=RESULTS, help="default benchmarks/results/channels_exact.json")
    return parser.parse_args()


def command(cache: Path, one: Entry, form: Form) -> list[str]:
    """How a trial is run; the file it needs is exported first."""
    path = path_of(cache, one, form)
    if not path.exists():
        subprocess.run([sys.executable, "-m", "benchmarks.channels_export", str(cache), one.key], check=True, cwd=ROOT)
    return [sys.executable, "-m", "benchmarks.channels_exact_trial", str(path)]


def print_tables(rows: Sequence[Row]) -> None:
    """Print one line for each file, then sums by what was planted and by kind of group."""
    console = Console(width=160)
    console.print(_files(rows))
    for part, title in (("plants", "by what was planted"), ("kinds", "by kind of group")):
        console.print(_sums(rows, part, title))
    wrong = [f"{row['key']} ({row['form']})" for row in rows if "error" in row]
    console.print(f"{len(rows)} files; wrong or failed: {len(wrong)} {', '.join(wrong)}")


def _files(rows: Sequence[Row]) -> Table:
    table = Table(title="planted / legal / found")
    for name in ("architecture", "form", "groups", *PLANTS, "rounds", "seconds", "proof"):
        table.add_column(name)
    for row in rows:
        plants = row.get("plants", {})
        cells = ["/".join(str(plants[one].get(c, 0)) for c in COLUMNS[:3]) if one in plants else "" for one in PLANTS]
        others = [str(row.get(name, "")) for name in ("rounds", "seconds", "proof")]
        table.add_row(row["key"], row["form"], str(row.get("groups", row.get("error", ""))), *cells, *others)
    return table


def _sums(rows: Sequence[Row], part: str, title: str) -> Table:
    table = Table(title=title)
    for name in (part[:-1], *COLUMNS, "wrong"):
        table.add_column(name)
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        for name, found in row.get(part, {}).items():
            sums[name].update(found)
            sums[name]["wrong"] += found["found"] if row["proof"] != "equal" else 0
    for name, found in sums.items():
        table.add_row(name, *(str(found[column]) for column in (*COLUMNS, "wrong")))
    return table


if __name__ == "__main__":
    main()

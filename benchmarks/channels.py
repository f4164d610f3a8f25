"""`python -m benchmarks.channels`: half of the channels of many architectures, by graphmorph and by other tools.

Architectures are those of graphmorph.models, torchvision and timm that are installed; they are exported into --cache.
Every trial is a process of its own, ended after --timeout seconds. --only restricts what is run; rows that are not run
again keep their numbers in benchmarks/results/channels.json. --table prints what is there. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.progress import track

from benchmarks.channels_export import Form, forms_of, path_of
from benchmarks.channels_table import print_table
from benchmarks.channels_zoo import Entry, entries
from benchmarks.results import Results

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "build" / "benchmarks" / "channels"
RESULTS = ROOT / "benchmarks" / "results" / "channels.json"

FILE, MODULE, TORCH_PRUNING, ONNXSIM = "graphmorph-file", "graphmorph-module", "torch-pruning", "onnxsim"
TOOLS = (FILE, MODULE, TORCH_PRUNING, ONNXSIM)


def main() -> None:
    """Run the trials that were asked for, saving after each, and print the table."""
    options = arguments()
    results = Results(options.results)
    trials = [] if options.table else list(wanted(options))
    for one, form, tool in track(trials, description="channels"):
        found = run(command(options.cache, one, form, tool), options.timeout)
        rows: list[dict[str, Any]] = results.data.setdefault("trials", [])
        rows[:] = [row for row in rows if (row["key"], row["form"], row["tool"]) != (one.key, form, tool)]
        rows.append({"key": one.key, "form": form, "tool": tool, **found})
        results.save()
    print_table(results.data.get("trials", []))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--only", action="append", choices=TOOLS, help="run this tool (default: all)")
    add("--model", action="append", metavar="WORD", help="only architectures whose key contains WORD")
    add("--form", action="append", help="only this form (default: all for graphmorph, static for onnxsim)")
    add("--missing", action="store_true", help="only trials that have no row yet")
    add("--failed", action="store_true", help="only trials whose row has an error")
    add("--timeout", type=float, default=300.0, help="seconds for one trial (default 300)")
    add("--table", action="store_true", help="run nothing, print what is there")
    add("--cache", type=Path, default=CACHE, help="folder for models (default build/benchmarks/channels)")
    add("--results", type=Path, default=RESULTS, help="default benchmarks/results/channels.json")
    options = parser.parse_args()
    options.only = options.only or list(TOOLS)
    return options


def wanted(options: argparse.Namespace) -> Iterator[tuple[Entry, Form, str]]:
    """The trials, of one architecture after the other; its files are exported first."""
    known = Results(options.results).data.get("trials", [])
    rows = {(row["key"], row["form"], row["tool"]): row for row in known}
    words = options.model or [""]
    for one in entries():
        if not any(word in one.key for word in words):
            continue
        for form in forms_of(one):
            for tool in TOOLS if form == "static" else (FILE,):
                row = rows.get((one.key, form, tool))
                skipped = (options.missing and row is not None) or (options.failed and "error" not in (row or {}))
                if tool in options.only and form in (options.form or [form]) and not skipped:
                    yield one, form, tool


def command(cache: Path, one: Entry, form: Form, tool: str) -> list[str]:
    """How a trial is run; the file it needs is exported first."""
    module = {TORCH_PRUNING: "channels_torch_pruning", ONNXSIM: "channels_onnxsim"}.get(tool, "channels_ours")
    path = path_of(cache, one, form)
    if tool in (FILE, ONNXSIM) and not path.exists():
        subprocess.run([sys.executable, "-m", "benchmarks.channels_export", str(cache), one.key], check=True, cwd=ROOT)
    subjects = {FILE: [path], ONNXSIM: [path, cache / "onnxsim.onnx"]}.get(tool, [one.key])
    return [sys.executable, "-m", f"benchmarks.{module}", *map(str, subjects)]


def run(arguments: list[str], timeout: float) -> dict[str, Any]:
    """What a trial printed, or why there is nothing."""
    start = time.perf_counter()
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=ROOT, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {timeout:g} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return {"error": f"exit status {done.returncode}: {last[:300]}"}
    found: dict[str, Any] = json.loads(lines[-1])
    return {**found, "process_s": time.perf_counter() - start}


if __name__ == "__main__":
    main()

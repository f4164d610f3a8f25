"""The part `start`: how soon the command answers, and that none of its processes imports torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.processes import measure
from benchmarks.results import Results, rounded
from benchmarks.tools import SCRIPTS

WATCHED = ("torch", "onnxruntime", "onnx", "numpy", "scipy")


def measure_start(source: Path, repeats: int, results: Results) -> None:
    """Record the time of --help, and which of the heavy packages each process imports."""
    times = [measure([str(SCRIPTS / "graphmorph"), "--help"]).seconds for _ in range(repeats)]
    command = [sys.executable, "-X", "importtime", "-m", "graphmorph.cli"]
    worker = [sys.executable, "-X", "importtime", "-c", "import graphmorph.runtime.worker"]
    results.put(
        "start",
        {
            "help_seconds": rounded(median(times)),
            "help_seconds_all": [rounded(time) for time in times],
            "imported_by_help": imported([*command, "--help"]),
            "imported_by_fuse": imported([*command, "fuse", str(source), "--dry-run", "--no-verify", "--quiet"]),
            "imported_by_child": imported(worker),
        },
    )


def imported(command: list[str]) -> list[str]:
    """Which of the watched packages a process imports, by Python's own log."""
    log = subprocess.run(command, capture_output=True, check=True, text=True).stderr
    modules = {line.rpartition("|")[2].strip() for line in log.splitlines() if line.startswith("import time:")}
    return [name for name in WATCHED if name in modules]

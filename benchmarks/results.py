"""The file of results: plain JSON, in which a later run of one part replaces that part only."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

from benchmarks.tools import versions

Row = dict[str, Any]


class Results:
    """`runs` has a row for each model and tool, of the form that the tables show; `other_forms` the rest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def row(self, table: str, **key: str | int) -> Row:
        """The row with these values, a new one if there is none."""
        rows: list[Row] = self.data.setdefault(table, [])
        for row in rows:
            if all(row.get(name) == value for name, value in key.items()):
                return row
        rows.append(dict(key))
        return rows[-1]

    def put(self, part: str, value: Any) -> None:
        self.data[part] = value

    def save(self) -> None:
        """Write the file, whole or not at all."""
        self.data = {"machine": machine(), "versions": versions()} | {
            key: value for key, value in self.data.items() if key not in ("machine", "versions")
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.data, indent=1) + "\n", encoding="utf-8")
        part.replace(self.path)


def machine() -> str:
    """Processor, cores and memory, in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return f"{_processor()}, {cores} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def rounded(value: float | None, digits: int = 3) -> float | None:
    """No more digits than were measured."""
    return None if value is None else round(value, digits)

"""Break one line at a time and see whether the random regions notice.

Each mutant is applied to a temporary copy of the package, the tests included, and the fuzz run on it in a
process of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.regions.fuzz import MISMATCH_STATUS

ROOT = Path(__file__).resolve().parents[2]
# The side rooms are installed under the graphmorph name: in the copy they really lie there.
ROOMS = {
    "graphmorph": "graphmorph",
    "passes": "graphmorph/passes",
    "models": "graphmorph/models",
    "tests": "tests",
}

Fate = Literal["mismatch", "crash", "timeout", "other rewrites", "survived"]


@dataclass(frozen=True)
class Mutant:
    """One changed line. `file` is relative to the repository; `old` occurs in it exactly once."""

    name: str
    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Judged:
    """What became of a mutant. "other rewrites": nothing wrong, but not the rewrites that the original
    makes.
    """

    mutant: Mutant
    fate: Fate
    detail: str

    @property
    def caught(self) -> bool:
        return self.fate != "survived"


def judge(
    mutants: Sequence[Mutant], rewrite: str, *, first: int = 0, last: int = 700, timeout: float = 600.0
) -> list[Judged]:
    """Fuzz every mutant of `rewrite`, "module:function", with the regions of seeds first to last - 1.

    Raises ValueError when a mutant's old line is not there exactly once, or when the unbroken package fails
    already.
    """
    with _copy() as copy:
        fate, detail = _fuzz(copy, rewrite, first, last, timeout)
        if fate != "survived":
            raise ValueError(f"the unbroken package does not pass: {fate}: {detail}")
        expected = json.loads(detail)
        judged = []
        for mutant in mutants:
            with _applied(copy, mutant):
                fate, detail = _fuzz(copy, rewrite, first, last, timeout)
            if fate == "survived" and (difference := _difference(expected, json.loads(detail))):
                fate, detail = "other rewrites", difference
            judged.append(Judged(mutant, fate, detail if fate != "survived" else ""))
    return judged


def table(judged: Sequence[Judged]) -> str:
    """One line a mutant, and the count."""
    rows = [f"{item.fate:<15} {item.mutant.name}" for item in judged]
    return "\n".join([*rows, f"{sum(item.caught for item in judged)} of {len(judged)} caught"])


@contextmanager
def _copy() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for room, place in ROOMS.items():
            if (ROOT / room).is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.onnx", "*.npz")
                shutil.copytree(ROOT / room, copy / place, ignore=ignored, dirs_exist_ok=True)
        yield copy


@contextmanager
def _applied(copy: Path, mutant: Mutant) -> Iterator[None]:
    room, _, rest = mutant.file.partition("/")
    path = copy / ROOMS[room] / rest
    text = path.read_text()
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: {mutant.file} has {text.count(mutant.old)} times: {mutant.old}")
    path.write_text(text.replace(mutant.old, mutant.new))
    try:
        yield
    finally:
        path.write_text(text)


def _fuzz(copy: Path, rewrite: str, first: int, last: int, timeout: float) -> tuple[Fate, str]:
    command = [sys.executable, "-m", "tests.regions.fuzz", rewrite, str(first), str(last)]
    # The copy comes first, before an installed graphmorph. No bytecode: two edits in one second would look
    # the same.
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return "timeout", f"more than {timeout} s"
    if done.returncode == 0:
        return "survived", done.stdout
    if done.returncode == MISMATCH_STATUS and done.stdout:
        return "mismatch", done.stdout.splitlines()[0]
    return "crash", (done.stderr.strip().splitlines() or ["no message"])[-1]


def _difference(expected: dict[str, Any], found: dict[str, Any]) -> str:
    keys = ("changed", "nodes_after")
    return ", ".join(f"{key} {found[key]} instead of {expected[key]}" for key in keys if found[key] != expected[key])

"""Whole processes from the outside: how long they take, and how much memory they and their children hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

MIB = 1 << 20
SAMPLE_EVERY_S = 0.01
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """One finished process with all its children.

    seconds: wall time. largest_mib: peak resident memory of the largest process, as the kernel accounts it, so
    it is exact. sum_mib: the largest sum of resident memory over the tree's processes at one moment, by sampling;
    pages that processes share count in each. None where there is no /proc.
    """

    seconds: float
    largest_mib: float
    sum_mib: float | None
    exit_code: int


def measure(command: Sequence[str]) -> Usage:
    """Run a command to its end, its output thrown away.

    The kernel counts the memory of whoever starts a process as that process's own, so a small launcher starts it: this
    very file, run as a script, which imports nothing of the project.
    """
    launcher = [sys.executable, "-I", "-S", __file__, *command]
    finished = subprocess.run(launcher, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, text=True)
    return Usage(**json.loads(finished.stdout))


def _launch(command: Sequence[str]) -> Usage:
    started = time.perf_counter()
    process = subprocess.Popen(
        list(command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    sampler = _Sampler(process.pid)
    sampler.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    sampler.stop()
    process.returncode = os.waitstatus_to_exitcode(status)  # reaped here, so that Popen does not look for it
    return Usage(seconds, usage.ru_maxrss * 1024 / MIB, sampler.peak_mib(), process.returncode)


class _Sampler(threading.Thread):
    """Adds up the resident memory of a process tree, a hundred times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._done = threading.Event()
        self._peak = 0

    def run(self) -> None:
        while not self._done.wait(SAMPLE_EVERY_S):
            self._peak = max(self._peak, sum(_resident(pid) for pid in _tree(self._pid)))

    def stop(self) -> None:
        self._done.set()
        self.join()

    def peak_mib(self) -> float | None:
        return self._peak / MIB if self._peak else None


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for task in _listed(Path(f"/proc/{parent}/task")):
            found.extend(int(child) for child in _text(task / "children").split())
    return found


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # the process has ended meanwhile
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _resident(pid: int) -> int:
    fields = _text(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) * PAGE if len(fields) > 1 else 0


if __name__ == "__main__":
    print(json.dumps(asdict(_launch(sys.argv[1:]))))

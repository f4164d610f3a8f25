"""Starts child processes, ahead of time where asked: they import while the parent does. Imports next to nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import IO, Any

# The child gets the parent's own sys.path (as multiprocessing does), so that a folder which the caller
# happens to stand in cannot put a module of its own before numpy or onnxruntime.
_BOOT = "import sys; sys.path[:] = sys.argv[1:]; from graphmorph.runtime.worker import main; main()"

# glibc keeps freed weights otherwise: with these, memory of a closed session goes back before the next opens.
# numpy multiplies nothing in the child, so its thread pool would only cost start-up time.
# Large pages: filling a session's memory page by page takes longer than optimizing a 70 MB model in it.
_ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "MALLOC_ARENA_MAX": "2",
    "OPENBLAS_NUM_THREADS": "1",
}

Spawned = tuple["subprocess.Popen[bytes]", IO[Any]]

_ahead: list[Spawned] = []


def spawn_ahead(count: int = 1) -> None:
    """Start children that the next to ask for one will get. They end with the parent, used or not."""
    _ahead.extend(_spawn() for _ in range(count - len(_ahead)))


def take() -> Spawned:
    """A child process, and the file that its stderr goes to; the caller closes both."""
    while _ahead:
        process, noise = _ahead.pop(0)
        if process.poll() is None:
            return process, noise
        noise.close()
    return _spawn()


def _spawn() -> Spawned:
    noise = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whom the child goes to
    process = subprocess.Popen(
        [sys.executable, "-c", _BOOT, *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=noise,
        env={**_ENVIRONMENT, **os.environ},
    )
    return process, noise

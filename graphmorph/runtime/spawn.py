"""Starts child processes, ahead of time where asked: they import while the parent does. Imports next to nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import IO, Any, Literal

# The child gets the parent's own sys.path (as multiprocessing does), so that a folder which the caller
# happens to stand in cannot put a module of its own before numpy or onnxruntime.
_BOOT = "import sys; sys.path[:] = sys.argv[2:]; from graphmorph.runtime.worker import main; main(sys.argv[1])"

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

#: What a child is for: "sessions" imports onnxruntime at once, "facts" (shapes, the checker) only if asked to fold.
Role = Literal["sessions", "facts"]

_ahead: dict[Role, Spawned] = {}


def spawn_ahead(*roles: Role) -> None:
    """Start children that the next to ask for one will get. They end with the parent, used or not."""
    for role in roles:
        if role not in _ahead:
            _ahead[role] = _spawn(role)


def take(role: Role) -> Spawned:
    """A child process, and the file that its stderr goes to; the caller closes both."""
    if role in _ahead:
        process, noise = _ahead.pop(role)
        if process.poll() is None:
            return process, noise
        noise.close()
    return _spawn(role)


def _spawn(role: Role) -> Spawned:
    noise = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whom the child goes to
    process = subprocess.Popen(
        [sys.executable, "-c", _BOOT, role, *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=noise,
        env={**_ENVIRONMENT, **os.environ},
    )
    return process, noise

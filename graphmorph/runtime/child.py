"""Start, talk to and end the child process; its death is turned into an exception here and nowhere else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from typing import BinaryIO

from graphmorph.runtime.protocol import Message, receive, send

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


class ChildDiedError(Exception):
    """The child is gone; `reason` is one line on how it ended."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Child:
    """One running child process."""

    def __init__(self) -> None:
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115 - closed by release()
        self._timed_out = False
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            env={**_ENVIRONMENT, **os.environ},
        )

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    def exchange(self, request: Message, timeout_s: float | None = None) -> Message:
        """Send a request and wait for its answer.

        Raises ChildDiedError when the child ends first, or is ended because `timeout_s` has passed.
        """
        watchdog = threading.Timer(timeout_s, self._expire) if timeout_s else None
        if watchdog:
            watchdog.daemon = True
            watchdog.start()
        try:
            send(self._pipe(self._process.stdin), request)
            return receive(self._pipe(self._process.stdout))
        except (EOFError, OSError, ValueError) as error:
            raise ChildDiedError(self._epitaph(timeout_s)) from error
        finally:
            if watchdog:
                watchdog.cancel()

    def kill(self) -> None:
        """End the child at once; an exchange that waits in another thread then fails."""
        self._process.kill()

    def release(self) -> None:
        """End the child, if it still runs, and close its pipes."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # unsent bytes of a request whose reader is gone
                    continue
        self._noise.close()

    def _expire(self) -> None:
        self._timed_out = True
        self._process.kill()

    def _epitaph(self, timeout_s: float | None) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it stopped answering"
        if self._timed_out:
            return f"no answer within {timeout_s:g} s"
        how = f"exit code {code}"
        if code < 0:
            how = f"signal {-code}"
            if -code in signal.valid_signals():
                how = f"signal {signal.Signals(-code).name}"
        last = self._last_words()
        return f"{how}: {last}" if last else how

    def _last_words(self) -> str:
        self._noise.seek(0, os.SEEK_END)
        self._noise.seek(max(0, self._noise.tell() - 2000))
        lines = [line.strip() for line in self._noise.read().decode("utf-8", "replace").splitlines()]
        return next((line[:300] for line in reversed(lines) if line), "")

    @staticmethod
    def _pipe(stream: object) -> BinaryIO:
        if stream is None:
            raise OSError("the pipe is closed")
        return stream  # type: ignore[return-value]

"""Start, talk to and end the child process; its death is turned into an exception here and nowhere else."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from typing import BinaryIO

from graphmorph.runtime.protocol import Message, receive, send
from graphmorph.runtime.spawn import Role, take


class ChildDiedError(Exception):
    """The child is gone; `reason` is one line on how it ended."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Child:
    """One running child process."""

    def __init__(self, role: Role) -> None:
        self._timed_out = False
        self._process, self._noise = take(role)

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

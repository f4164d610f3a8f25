"""The promise of an answer."""

from __future__ import annotations

import threading

from graphmorph.errors import RuntimeCrashError
from graphmorph.runtime.protocol import Message


class Ticket:
    """The answer to a submitted request, once it is there."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._answer: Message | None = None
        self._error: Exception | None = None

    def done(self) -> bool:
        """True once the answer, or the failure, is there."""
        return self._done.is_set()

    def result(self, timeout: float | None = None) -> Message:
        """Wait for the answer.

        Raises TimeoutError after `timeout` seconds (the request goes on), ModelRunError when onnxruntime
        refuses, ModelFileError when the checker refuses, RuntimeCrashError when the child died.
        """
        if not self._done.wait(timeout):
            raise TimeoutError(f"no answer from the child process within {timeout} s")
        if self._error is not None:
            raise self._error
        if self._answer is None:
            raise RuntimeCrashError("the child process was closed before it answered")
        return self._answer

    def settle(self, answer: Message | None, error: Exception | None) -> None:
        """Store the outcome and wake whoever waits (called by the runtime)."""
        self._answer, self._error = answer, error
        self._done.set()

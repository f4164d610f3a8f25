"""The parent's side: `Runtime` queues requests to one child and hands out tickets for the answers."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from graphmorph.errors import ModelFileError, ModelRunError, RuntimeCrashError
from graphmorph.runtime.child import Child, ChildDiedError
from graphmorph.runtime.protocol import Message, Payload, TensorFacts, arrays_of
from graphmorph.runtime.spawn import Role
from graphmorph.runtime.ticket import Ticket

Model = str | os.PathLike[str] | bytes


class Runtime:
    """A child process that is started by the first request, and its queue (first in, first out).

    Args:
        timeout_s: a request that takes longer is ended, with its child; None for no limit.
        memory_limit: address space of the child in bytes; None for no limit.
        role: what the child is mostly asked for; it decides what it imports at start.
    """

    def __init__(
        self, *, timeout_s: float | None = None, memory_limit: int | None = None, role: Role = "sessions"
    ) -> None:
        self._role: Role = role
        self._timeout_s = timeout_s
        self._memory_limit = memory_limit
        self._requests: queue.SimpleQueue[tuple[Message, Ticket] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._child: Child | None = None
        self._closed = False
        self._lock = threading.Lock()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()

    @property
    def child_pid(self) -> int | None:
        """Process id of the running child, None while there is none."""
        child = self._child
        return child.pid if child else None

    def start(self) -> Ticket:
        """Start the child in the background, so that it imports while the caller goes on."""
        return self.submit("ping")

    def submit(self, kind: str, *, payloads: Mapping[str, Payload] | None = None, **args: Any) -> Ticket:
        """Queue a request and return at once; `args` must be plain JSON data."""
        if self._closed:
            raise RuntimeCrashError("this Runtime is closed; open a new one")
        ticket = Ticket()
        self._requests.put((Message({"kind": kind, **args}, dict(payloads or {})), ticket))
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="graphmorph-runtime", daemon=True)
            self._thread.start()
        return ticket

    def infer_shapes(self, model_bytes: bytes) -> dict[str, TensorFacts]:
        """Facts of every tensor that onnx.shape_inference (with data propagation) knows, inputs included.

        Raises ModelRunError when the model cannot be inferred.
        """
        answer = self.submit("infer_shapes", payloads={"model": model_bytes}).result()
        return {
            name: TensorFacts(dtype, None if shape is None else tuple(shape))
            for name, dtype, shape in answer.header["facts"]
        }

    def fold_constants(self, model_bytes: bytes, *, max_bytes: int | None = None) -> dict[str, np.ndarray]:
        """Values of the tensors that onnxruntime finds constant, by name, up to `max_bytes` each.

        Raises ModelRunError when onnxruntime cannot load the model.
        """
        payloads = {"model": model_bytes}
        return arrays_of(self.submit("fold_constants", payloads=payloads, max_bytes=max_bytes).result())

    def evaluate(self, model_bytes: bytes) -> dict[str, np.ndarray]:
        """Outputs of a model that has no inputs, by name.

        Raises ModelRunError when onnxruntime cannot run it.
        """
        return arrays_of(self.submit("evaluate", payloads={"model": model_bytes}).result())

    def submit_check(self, model_bytes: bytes) -> Ticket:
        """`check_model` of a model in memory, without waiting."""
        return self.submit("check_model", payloads={"model": model_bytes})

    def check_model(self, path: str | os.PathLike[str]) -> None:
        """Run onnx.checker on a file (external data is looked at, too).

        Raises ModelFileError with the checker's reason.
        """
        self.submit("check_model", path=os.fspath(path)).result()

    def outline(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """Node outputs of a file in topological order ("tensors"); "precision" of 16-bit weights or None."""
        header = self.submit("outline", path=os.fspath(path)).result().header
        return {"tensors": list(header["tensors"]), "precision": header["precision"]}

    def run_in_double(self, path: str | os.PathLike[str], feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs of a model evaluated in float64 by onnx's reference implementation (slow), by name.

        Raises ModelRunError when an operator is missing there.
        """
        return arrays_of(self.submit("run_in_double", path=os.fspath(path), payloads=feeds).result())

    def submit_open(
        self,
        model: Model,
        *,
        optimized: bool,
        outputs: Sequence[str] | None = None,
        providers: Sequence[str] = ("CPUExecutionProvider",),
        custom_ops: Sequence[str] = (),
        threads: int = 2,
        many_runs: bool = False,
    ) -> Ticket:
        """`open_session` without waiting; the answer's header has "session", "inputs" and "outputs".

        many_runs: memory of a run is kept for the next.
        """
        args: dict[str, Any] = {
            "optimized": optimized,
            "outputs": None if outputs is None else list(outputs),
            "providers": list(providers),
            "custom_ops": [os.fspath(library) for library in custom_ops],
            "threads": threads,
            "many_runs": many_runs,
        }
        if isinstance(model, bytes):
            return self.submit("open", payloads={"model": model}, **args)
        return self.submit("open", path=os.path.abspath(os.fspath(model)), **args)

    def open_session(
        self,
        model: Model,
        *,
        optimized: bool,
        outputs: Sequence[str] | None = None,
        providers: Sequence[str] = ("CPUExecutionProvider",),
        custom_ops: Sequence[str] = (),
        threads: int = 2,
    ) -> int:
        """Load a model into onnxruntime and return the session's number.

        Args:
            model: a path (preferred: nothing is held in the parent) or the bytes of a ModelProto.
            optimized: ORT_ENABLE_ALL when true, ORT_DISABLE_ALL otherwise.
            outputs: tensors to return from `run`, intermediates among them; None for the graph's outputs.
            custom_ops: shared libraries with custom operators.

        Raises ModelRunError when onnxruntime refuses, RuntimeCrashError when it dies.
        """
        ticket = self.submit_open(
            model,
            optimized=optimized,
            outputs=outputs,
            providers=providers,
            custom_ops=custom_ops,
            threads=threads,
        )
        return int(ticket.result().header["session"])

    def run(self, session: int, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs of an open session on `feeds` (arrays by input name), by output name.

        Raises ModelRunError when onnxruntime refuses the inputs or fails inside.
        """
        return arrays_of(self.submit("run", session=session, payloads=feeds).result())

    def shapes(self, session: int, feeds: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
        """Shapes of the outputs of an open session on `feeds`, by output name; the outputs stay in the child.

        Inputs that are not fed are zeros. Outputs that are no tensors are left out.

        Raises ModelRunError when onnxruntime refuses the inputs or fails inside.
        """
        answer = self.submit("shapes", session=session, payloads=feeds).result()
        return {name: tuple(shape) for name, shape in answer.header["shapes"].items()}

    def time(self, session: int, feeds: Mapping[str, np.ndarray], repeats: int) -> list[float]:
        """Seconds that each of `repeats` runs of an open session took, after one that is not counted.

        Raises ModelRunError when onnxruntime refuses the inputs or fails inside.
        """
        answer = self.submit("time", session=session, repeats=repeats, payloads=feeds).result()
        return [float(seconds) for seconds in answer.header["seconds"]]

    def close(self, session: int) -> None:
        """Close an open session and give its memory back."""
        self.submit("close", session=session).result()

    def shutdown(self) -> None:
        """End the child at once; requests that wait in the queue fail with RuntimeCrashError."""
        with self._lock:
            self._closed = True
            child = self._child
        self._requests.put(None)
        if child is not None:
            child.kill()
        if self._thread is not None:
            self._thread.join()

    def _serve(self) -> None:
        while (item := self._requests.get()) is not None:
            request, ticket = item
            try:
                ticket.settle(self._answer(request), None)
            except Exception as error:  # noqa: BLE001 - belongs to the one who waits for the ticket
                ticket.settle(None, error)
        self._drain()

    def _answer(self, request: Message) -> Message:
        try:
            child = self._running_child()
            answer = child.exchange(request, self._timeout_s)
        except ChildDiedError as error:
            self._drop_child()
            raise RuntimeCrashError(_crash_message(request, error.reason)) from error
        failure = answer.header.get("error")
        if failure is None:
            return answer
        if failure["type"] == "file":
            raise ModelFileError(failure["message"])
        raise ModelRunError(failure["message"], unsupported=failure["unsupported"])

    def _running_child(self) -> Child:
        with self._lock:  # a child that is started now must be seen by a shutdown that comes now
            if self._closed:
                raise RuntimeCrashError("this Runtime was closed before it answered")
            if self._child is not None:
                return self._child
            child = self._child = Child(self._role)
        if self._memory_limit is not None:
            child.exchange(Message({"kind": "limit_memory", "bytes": self._memory_limit}))
        return child

    def _drop_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.release()

    def _drain(self) -> None:
        self._drop_child()
        while not self._requests.empty():
            item = self._requests.get()
            if item is not None:
                item[1].settle(None, RuntimeCrashError("this Runtime was closed before it answered"))


_PHASES = {
    "infer_shapes": "inferring shapes",
    "fold_constants": "folding constants",
    "evaluate": "evaluating constants",
    "check_model": "checking the model",
    "outline": "reading the model",
    "run_in_double": "evaluating in float64",
    "open": "loading the model",
    "run": "running the model",
    "shapes": "running the model",
    "time": "timing the model",
}


def _crash_message(request: Message, reason: str) -> str:
    kind = request.header["kind"]
    phase = _PHASES.get(kind, str(kind))
    path = request.header.get("path")
    model = f" {path}" if path else ""
    return f"the child process died while {phase}{model} ({reason})"

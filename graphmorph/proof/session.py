"""Run a proof: the reference in the background, then the candidate against it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from graphmorph.errors import ModelFileError, ModelRunError, RuntimeCrashError
from graphmorph.model_file import as_file
from graphmorph.proof.judge import Judge
from graphmorph.proof.options import ProofOptions
from graphmorph.proof.reference import NoInputsError, Progress, ReferenceRun, run_reference
from graphmorph.proof.report import Proof
from graphmorph.proof.user_data import UserData
from graphmorph.runtime import Runtime

if TYPE_CHECKING:
    import onnx

    from graphmorph.graph import Graph

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto


class ProofSession:
    """One reference, and any number of candidates that are judged against it.

    `start` runs the reference in the background and returns at once, so that the caller can rewrite.
    The model file must not change until the session is closed. Use it as a context manager.

    Args:
        reference_path: the original model's file.
        runtime: the child process to use; one of its own by default, so that requests of the caller's do not
            wait behind the reference.
        progress: called with (phase, done, total) as cases are run.
    """

    def __init__(
        self,
        reference_path: str | os.PathLike[str],
        options: ProofOptions | None = None,
        *,
        runtime: Runtime | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._path = os.path.abspath(os.fspath(reference_path))
        self._options = options or ProofOptions()
        self._owns_runtime = runtime is None
        self._runtime = runtime or Runtime()
        self._progress = progress
        self._thread: threading.Thread | None = None
        self._reference: ReferenceRun | None = None
        self._failure: Exception | None = None

    def __enter__(self) -> ProofSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Begin to run the reference; returns at once."""
        if self._thread is None:
            _require_file(self._path)
            self._thread = threading.Thread(target=self._run_reference, name="graphmorph-proof", daemon=True)
            self._thread.start()

    def judge(self, candidate: str | os.PathLike[str], *, localise: bool = True) -> Proof:
        """Run a candidate's file and compare.

        Args:
            localise: when the candidate differs, look for the first tensor where it does.

        Raises UsageError for inputs and shapes that do not fit, ModelFileError when a file is missing.
        Models that onnxruntime cannot run give an inconclusive proof instead.
        """
        begun = time.perf_counter()
        path = os.path.abspath(os.fspath(candidate))
        _require_file(path)
        self.start()
        proof = self._judge(path, localise)
        return replace(
            proof,
            seconds=time.perf_counter() - begun,
            reference=os.path.basename(self._path),
            candidate=os.path.basename(path),
            providers=tuple(self._options.providers),
        )

    def close(self) -> None:
        """End the background run and, when it is the session's own, the child process."""
        if self._owns_runtime:
            self._runtime.shutdown()
        if self._thread is not None:
            self._thread.join()

    def _run_reference(self) -> None:
        try:
            self._reference = run_reference(self._runtime, self._path, self._options, self._progress)
        except Exception as error:  # noqa: BLE001 - raised, or reported, by judge in the caller's thread
            self._failure = error

    def _judge(self, path: str, localise: bool) -> Proof:
        if self._thread is not None:
            self._thread.join()
        if self._reference is not None:
            judge = Judge(self._runtime, self._path, self._reference, self._options, self._progress)
            return judge.judge(path, localise=localise)
        if isinstance(self._failure, NoInputsError):
            return Proof("inconclusive", str(self._failure))
        if isinstance(self._failure, ModelRunError):
            reason = f"onnxruntime cannot run the reference: {self._failure}"
            return Proof("inconclusive", reason, unsupported=self._failure.unsupported)
        if isinstance(self._failure, RuntimeCrashError):
            return Proof("inconclusive", f"the reference cannot be run: {self._failure}")
        raise self._failure or RuntimeCrashError("the reference was not run")


def verify(
    reference: Model,
    candidate: Model,
    *,
    inputs: UserData | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    samples: int = 1,
    seed: int = 0,
    rtol: float | None = None,
    atol: float | None = None,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    float64: bool = False,
    custom_ops: Sequence[str] = (),
    labels: np.ndarray | Sequence[int] | None = None,
    jitter: bool = True,
    runtime: Runtime | None = None,
    progress: Progress | None = None,
) -> Proof:
    """Run two models on the same inputs and say whether they compute the same.

    Args:
        reference, candidate: files, graphs or ModelProtos; files are preferred, since nothing is copied.
        runtime: a child process to use; a fresh one by default.
        progress: called with (phase, done, total).

    The other arguments are those of `ProofOptions`.

    Raises UsageError and ModelFileError; whatever else goes wrong ends in the proof's verdict and reason.
    """
    options = ProofOptions(inputs, shapes, samples, seed, rtol, atol, providers, float64, custom_ops, labels, jitter)
    with ExitStack() as stack:
        paths = [as_file(model, name, stack) for model, name in ((reference, "reference"), (candidate, "candidate"))]
        session = stack.enter_context(ProofSession(paths[0], options, runtime=runtime, progress=progress))
        return session.judge(paths[1])


def _require_file(path: str) -> None:
    if not os.path.isfile(path):
        raise ModelFileError(f"{path}: there is no such file")

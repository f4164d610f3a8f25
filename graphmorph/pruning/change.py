"""How far a smaller model is from the original: errors, decisions, accuracy, time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphmorph.proof import ProofOptions
from graphmorph.proof.accuracy import share_right
from graphmorph.proof.reference import ReferenceRun, run_model, run_reference
from graphmorph.runtime import Runtime

#: Both models are timed in turns: so many rounds, each of about so many seconds. What counts is the median of the
#: rounds' fastest runs: other work on the machine only ever adds.
_ROUNDS, _ROUND_SECONDS, _MOST_REPEATS = 5, 0.1, 500

Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class OutputChange:
    """relative_error: the norm of the difference by the norm of the original. argmax_agreement: share of rows whose
    largest element is the same, None for outputs without rows."""

    name: str
    relative_error: float
    max_abs: float
    cosine: float
    argmax_agreement: float | None


@dataclass(frozen=True)
class Accuracy:
    """Shares of labels met by the first output."""

    before: float
    after: float
    samples: int


@dataclass(frozen=True)
class Change:
    """Over all inputs that were run: `source` says whether they were given, or drawn."""

    outputs: tuple[OutputChange, ...]
    source: str
    samples: int
    accuracy: Accuracy | None = None

    @property
    def relative_error(self) -> float:
        """Of the output that changed most; infinite where something is not finite that was."""
        return max((one.relative_error for one in self.outputs), default=0.0)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "relative_error": self.relative_error}


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one run in onnxruntime, optimizations on, both models in turns on the first input."""

    before_ms: float
    after_ms: float
    threads: int

    @property
    def slower(self) -> bool:
        """By more than what such measurements differ."""
        return self.after_ms > 1.1 * self.before_ms

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "slower": self.slower}


class Original:
    """The original model, run once on the inputs that later models are held against."""

    def __init__(self, path: str | os.PathLike[str], options: ProofOptions, runtime: Runtime) -> None:
        self._path, self._options, self._runtime = os.fspath(path), options, runtime
        self._run: ReferenceRun = run_reference(runtime, self._path, options)

    def change(self, candidate: str | os.PathLike[str]) -> Change:
        """How far a candidate is.

        Raises:
            ModelRunError: it does not run.
        """
        cases = self._run.cases
        got = run_model(self._runtime, os.fspath(candidate), cases, self._options, optimized=False)
        return Change(changes(self._run.off, got), cases[0].source, len(cases), self._accuracy(got))

    def latency(self, candidate: str | os.PathLike[str]) -> Latency:
        """Both models timed in turns."""
        feeds = self._run.cases[0].feeds()
        session = self._options.session()
        models = [self._path, os.fspath(candidate)]
        opened = [self._runtime.open_session(path, optimized=True, **session) for path in models]
        once = self._runtime.time(opened[0], feeds, 1)[0]
        repeats = int(min(max(_ROUND_SECONDS / max(once, 1e-6), 2), _MOST_REPEATS))
        fastest: list[list[float]] = [[], []]
        for _ in range(_ROUNDS):
            for place, number in enumerate(opened):
                fastest[place].append(min(self._runtime.time(number, feeds, repeats)))
        for number in opened:
            self._runtime.close(number)
        before, after = (1e3 * median(one) for one in fastest)
        return Latency(before, after, int(session["threads"]))

    def _accuracy(self, got: Sequence[Outputs]) -> Accuracy | None:
        if self._options.labels is None:
            return None
        labels = np.asarray(self._options.labels).ravel()
        before, after = (share_right(outputs, labels) for outputs in (self._run.off, got))
        return Accuracy(before, after, int(labels.size))


def changes(expected: Sequence[Outputs], got: Sequence[Outputs]) -> tuple[OutputChange, ...]:
    """How far the outputs of a candidate are, case by case, from those of the original."""
    sums = {name: _Sums() for name in expected[0]}
    for before, after in zip(expected, got, strict=True):
        for name, array in before.items():
            sums[name].add(array, after[name])
    return tuple(one.change(name) for name, one in sums.items())


class _Sums:
    """Running sums of one output over cases."""

    def __init__(self) -> None:
        self.error = self.size = self.other = self.product = self.largest = 0.0
        self.rows = self.agreed = 0
        self.broken = False

    def add(self, expected: NDArray[Any], found: NDArray[Any]) -> None:
        if expected.shape != found.shape or expected.dtype.kind in "OSU":
            self.broken = self.broken or expected.shape != found.shape or bool((expected != found).any())
            return
        a, b = expected.astype(np.float64), found.astype(np.float64)
        finite = np.isfinite(a)
        self.broken = self.broken or bool((finite != np.isfinite(b)).any())
        a, b = np.where(finite, a, 0.0), np.where(np.isfinite(b), b, 0.0)
        self.error += float(((a - b) ** 2).sum())
        self.size += float((a * a).sum())
        self.other += float((b * b).sum())
        self.product += float((a * b).sum())
        self.largest = max(self.largest, float(np.abs(a - b).max(initial=0.0)))
        if a.ndim >= 2 and a.shape[-1] > 1:
            agreed = a.argmax(axis=-1) == b.argmax(axis=-1)
            self.rows, self.agreed = self.rows + agreed.size, self.agreed + int(agreed.sum())

    def change(self, name: str) -> OutputChange:
        relative = float("inf") if self.broken else (self.error / self.size) ** 0.5 if self.size else self.error**0.5
        norm = (self.size * self.other) ** 0.5
        cosine = self.product / norm if norm else float(self.size == self.other)
        return OutputChange(name, relative, self.largest, cosine, self.agreed / self.rows if self.rows else None)

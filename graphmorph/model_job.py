"""One ONNX model and where it goes: loading, rewriting, staging and checking it, as often as a bisection needs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from graphmorph.errors import ModelRunError
from graphmorph.graph import Graph
from graphmorph.manager import PassManager, RunResult, SiteKey
from graphmorph.model_file import as_file
from graphmorph.onnx_door import load, model_bytes, stage
from graphmorph.onnx_door.writer import StagedModel
from graphmorph.proof import Proof
from graphmorph.report import RewriteReport
from graphmorph.rewrite import Rewrite
from graphmorph.rewrite_options import RewriteSettings
from graphmorph.runtime import Runtime, Ticket

if TYPE_CHECKING:
    import onnx

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto


@dataclass
class Outcome:
    """A run, its staged file, and what was proven of it."""

    result: RunResult
    staged: StagedModel | None
    proof: Proof | None = None
    exit_code: int = 0
    rolled_back: tuple[RewriteReport, ...] = ()
    note: str | None = None


class ModelJob:
    """What a job knows and holds; the stack gives everything back at its end."""

    def __init__(
        self, model: Model, target: Path | None, passes: Sequence[Rewrite], settings: RewriteSettings, stack: ExitStack
    ) -> None:
        self.model, self.target, self.passes, self.settings, self.stack = model, target, passes, settings, stack
        self.runtime = stack.enter_context(Runtime(role="facts"))
        self._folder: Path | None = None
        self._first: Graph | None = self.graph()
        self.name = str(model) if isinstance(model, str | os.PathLike) else "model"

    def graph(self) -> Graph:
        """The model, read afresh."""
        if isinstance(self.model, Graph):
            return self.model.copy()
        return load(self.model, freeze_initializers=self.settings.freeze_initializers)

    def folder(self) -> Path:
        """A temporary folder for what has no place of its own."""
        if self._folder is None:
            self._folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="graphmorph-")))
        return self._folder

    def reference(self) -> str | os.PathLike[str]:
        """The file of the original, written for models that came as objects."""
        if isinstance(self.model, str | os.PathLike):
            return self.model
        return as_file(self.graph(), "reference", self.stack)

    def run(self, *, certify: bool = False, without: Iterable[SiteKey] = (), limit: int | None = None) -> RunResult:
        """Rewrite the model afresh, but not at some sites, and stop after so many rewrites."""
        graph, self._first = self._first or self.graph(), None
        manager = PassManager(
            self.passes,
            keep=self.settings.keep,
            certify=certify,
            without=without,
            max_rewrites=min((n for n in (limit, self.settings.max_rewrites) if n is not None), default=None),
            runtime=self.runtime,
            progress=self.settings.progress,
        )
        return manager.run(graph)

    def stage(self, result: RunResult) -> StagedModel:
        """Write a run's graph beside where it is to go."""
        target = self.target or self.folder() / "candidate.onnx"
        return self.stack.enter_context(stage(result.graph, target))

    def submit_check(self, staged: StagedModel) -> Ticket:
        """Have onnx's checker look at what the written file says, without its weights."""
        return self.runtime.submit_check(model_bytes(load(staged.path)))

    def check(self, outcome: Outcome) -> None:
        """Without a proof: the file must at least pass onnx's checker, and load.

        Raises:
            ModelFileError, ModelRunError: it does not, and no missing operator explains that.
        """
        if outcome.staged is None:
            return
        if outcome.result.journal.modified:
            self.submit_check(outcome.staged).result()
        custom_ops = self.settings.proof.custom_ops
        try:
            session = self.runtime.open_session(str(outcome.staged.path), optimized=False, custom_ops=custom_ops)
            self.runtime.close(session)
        except ModelRunError as error:
            if not error.unsupported:
                raise
            outcome.note = f"onnxruntime cannot load the model, so it was checked by onnx.checker only: {error}"

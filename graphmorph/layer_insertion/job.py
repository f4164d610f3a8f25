"""Inserting a layer into an ONNX model: fold constants, capture, solve, insert, measure, write."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from graphmorph import registry
from graphmorph.activations.capture import capture
from graphmorph.errors import UsageError
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.layer_insertion.calibration import calibration_of, measured_part
from graphmorph.layer_insertion.insertion import Insertion, insertion_of
from graphmorph.layer_insertion.report import InsertReport, layer_report, peak_bytes
from graphmorph.layer_insertion.settings import LayerSettings
from graphmorph.layer_insertion.sums import Capturing
from graphmorph.manager import PassManager, RunResult
from graphmorph.model_file import opened_model
from graphmorph.onnx_door import load, model_bytes, save, stage
from graphmorph.onnx_door.writer import StagedModel
from graphmorph.option_values import require_finite
from graphmorph.oracle import Oracle, Shapes
from graphmorph.phases import Phases
from graphmorph.proof import Proof, ProofSession
from graphmorph.proof.user_data import UserData
from graphmorph.pruning.change import Change, Original
from graphmorph.rewrite_options import RewriteSettings
from graphmorph.runtime import Runtime

if TYPE_CHECKING:
    import onnx

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto

CLEAN_UP, INSERT = "fold-constants", "insert-layer"

#: Samples that run at once while capturing.
_BATCH = 32


@dataclass(frozen=True, eq=False)
class Asked:
    """What a user asked for. max_error: how far outputs may move, as a share of their norm."""

    after: str
    settings: LayerSettings
    before: str | None = None
    calibration: Any = None
    max_error: float | None = None
    latency: bool = True


@dataclass(frozen=True, eq=False)
class InsertResult:
    """The deeper graph and what was done. exit_code: 0 where it is as asked, 1 where outputs changed by more than was
    allowed or an exact algorithm was not, 2 where models could not be compared."""

    graph: Graph
    report: InsertReport
    exit_code: int

    @property
    def ok(self) -> bool:
        return self.exit_code == 0


class InsertJob:
    """One model; the stack gives everything back at its end."""

    def __init__(
        self, model: Model, target: Path | None, asked: Asked, running: RewriteSettings, stack: ExitStack
    ) -> None:
        self.asked, self.target, self.stack, self.verify = asked, target, stack, running.verify
        self.proof = running.proof
        if self.proof.inputs is None:
            self.proof = replace(self.proof, inputs=measured_part(asked.calibration))
        self._phase = Phases(running.progress)
        self.progress, self.seconds = self._phase.progress, self._phase.seconds
        self.runtime = stack.enter_context(Runtime())
        self.runtime.start()
        self.folder = Path(stack.enter_context(TemporaryDirectory(prefix="graphmorph-")))
        opened = opened_model(model, stack, freeze_initializers=running.freeze_initializers)
        self.name, self.path, self.graph = opened.name, opened.path, opened.graph

    def run(self) -> InsertResult:
        """All steps.

        Raises:
            UsageError: what was asked for does not fit the model.
            RefusedError: no layer can go there.
        """
        with self._phase("clean-up"):
            cleaned = PassManager([registry.create(CLEAN_UP)], runtime=self.runtime).run(self.graph)
        oracle = Oracle(self.runtime)
        facts = Facts(self.graph, Shapes(oracle, self.graph), oracle=oracle)
        with self._phase("solving"):
            made = insertion_of(
                facts, self.asked.settings, self.asked.after, self.asked.before, self._capturing(), self.runtime
            )
        with self._phase("inserting"):
            run = inserted(made, self.asked, self.graph, self.runtime)
            staged = self.stack.enter_context(stage(run.graph, self.target or self.folder / "deeper.onnx"))
            self.runtime.submit_check(model_bytes(load(staged.path))).result()
        report = self._report(made, cleaned, run)
        exit_code = self._judged(staged, report) if self.verify else 0
        if exit_code == 0 and self.target is not None:
            report.files = [str(path) for path in staged.commit()]
        report.peak_bytes = peak_bytes()
        return InsertResult(run.graph, report, exit_code)

    def _capturing(self) -> Capturing | None:
        """Streams the calibration data through the cleaned graph."""
        if self.asked.calibration is None:
            return None
        data: UserData = calibration_of(self.asked.calibration)
        path = self.folder / "captured.onnx"
        save(self.graph, path)

        def capturing(listeners: Any) -> int:
            with self._phase("capture"):
                return capture(path, listeners, data, batch=_BATCH, runtime=self.runtime, progress=self.progress)

        return capturing

    def _judged(self, staged: StagedModel, report: InsertReport) -> int:
        """Measure the change; prove an algorithm that changes nothing. The exit code."""
        with self._phase("measuring"):
            original = Original(self.path, self.proof, self.runtime)
            report.change = original.change(staged.path)
            if self.asked.latency:
                report.latency = original.latency(staged.path)
        if self.asked.settings.algorithm == "net2deeper":
            report.proof = self._proof(staged)
            return report.proof.exit_code
        return judged(report.change, self.asked.max_error)

    def _proof(self, staged: StagedModel) -> Proof:
        with self._phase("proof"), ProofSession(self.path, self.proof, progress=self.progress) as session:
            return session.judge(staged.path)

    def _report(self, made: Insertion, cleaned: RunResult, run: RunResult) -> InsertReport:
        return InsertReport(
            model=self.name,
            before=cleaned.before,
            after=run.after,
            layer=layer_report(made, self.asked.settings),
            passes=[*cleaned.passes, *run.passes],
            notes=[*cleaned.notes, *run.notes, *made.layer.notes],
            seconds=self.seconds,
        )


def inserted(made: Insertion, asked: Asked, graph: Graph, runtime: Runtime) -> RunResult:
    """Run the pass on the graph that the insertion was made for."""
    options: dict[str, Any] = {"after": asked.after, "algorithm": asked.settings.algorithm, "chosen": made}
    rewrite = registry.load(INSERT)(**options)
    return PassManager([rewrite], runtime=runtime).run(graph)


def judged(change: Change, max_error: float | None) -> int:
    """0 where outputs moved by no more than was allowed."""
    return int(max_error is not None and not change.relative_error <= max_error)


def require_sense(asked: Asked, running: RewriteSettings) -> None:
    """Refuse options that say nothing, and an algorithm without the data that it needs.

    Raises:
        UsageError: it looks at activations, and there are no data; or nodes are to be left alone.
    """
    if running.keep != ():
        raise UsageError(
            "keep: an insertion touches nothing but the place that after and before name; leave it out (survivors says "
            "how many channels stay)"
        )
    if asked.max_error is not None:
        require_finite("max_error", asked.max_error)
    if asked.calibration is None and (asked.settings.is_compnet or asked.settings.batch_norm):
        what = asked.settings.algorithm if asked.settings.is_compnet else "batch_norm"
        raise UsageError(f"{what} looks at activations: give calibration data")

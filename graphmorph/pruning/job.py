"""Pruning an ONNX model: fold constants, choose, remove, prove against the mask, repair, measure, write."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from graphmorph import registry
from graphmorph.activations.capture import capture
from graphmorph.channels.analysis import analyse
from graphmorph.channels.probing import probe_sizes
from graphmorph.channels.walls import walls
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.manager import PassManager
from graphmorph.model_file import opened_model
from graphmorph.onnx_door import load, model_bytes, save, stage
from graphmorph.onnx_door.writer import StagedModel
from graphmorph.oracle import Oracle, Shapes
from graphmorph.phases import Phases
from graphmorph.proof import Proof, ProofSession
from graphmorph.pruning.activations import activations_of
from graphmorph.pruning.change import Change, Original
from graphmorph.pruning.choice import Calibrate, choose
from graphmorph.pruning.plan import RemovalPlan, plan_of
from graphmorph.pruning.removal import Removal, nothing_to_remove, removal_of
from graphmorph.pruning.repair import repair
from graphmorph.pruning.report import PruneReport, RepairReport, group_reports
from graphmorph.pruning.search import largest_ratio
from graphmorph.pruning.settings import PruneSettings
from graphmorph.pruning.sums import Capturing
from graphmorph.rewrite_options import RewriteSettings
from graphmorph.runtime import Runtime

if TYPE_CHECKING:
    import onnx

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto

CLEAN_UP = "fold-constants"


@dataclass(frozen=True)
class PruneResult:
    """The smaller graph, what was done, and the plan that does it again. exit_code: 0 where the removal is proven,
    1 where it is not, 2 where nothing could be removed or compared."""

    graph: Graph
    report: PruneReport
    plan: RemovalPlan
    exit_code: int

    @property
    def ok(self) -> bool:
        return self.exit_code == 0


class PruneJob:
    """One model; the stack gives everything back at its end."""

    def __init__(
        self,
        model: Model,
        target: Path | None,
        settings: PruneSettings,
        running: RewriteSettings,
        stack: ExitStack,
    ) -> None:
        self.target, self.settings, self.proof, self.stack = target, settings, running.proof, stack
        self.verify, self._phase = running.verify, Phases(running.progress)
        self.progress, self.seconds = self._phase.progress, self._phase.seconds
        self.notes: list[str] = []
        self.runtime = stack.enter_context(Runtime())
        self.runtime.start()
        self.folder = Path(stack.enter_context(TemporaryDirectory(prefix="graphmorph-")))
        opened = opened_model(model, stack, freeze_initializers=running.freeze_initializers)
        self.name, self.path, self.graph = opened.name, opened.path, opened.graph
        self._captured_path: Path | None = None

    def run(self) -> PruneResult:
        """All steps.

        Raises:
            UsageError: the settings do not fit the model.
            RefusedError: what was chosen cannot be removed.
        """
        with self._phase("clean-up"):
            self.cleaned = PassManager([registry.create(CLEAN_UP)], runtime=self.runtime).run(self.graph)
        self.measured_by = self._original()
        removal = self._removal()
        with self._phase("proof"):
            proof = self._proof(removal) if self.verify else None
        repairs = self._repaired(removal) if self.settings.repair else []
        staged = self.stack.enter_context(stage(removal.run.graph, self.target or self.folder / "pruned.onnx"))
        with self._phase("measuring"):
            self.runtime.submit_check(model_bytes(load(staged.path))).result()
            report = self._report(removal, proof, repairs, staged)
        exit_code = 2 if report.nothing is not None else proof.exit_code if proof is not None else 0
        if exit_code == 0 and self.target is not None:
            report.files = [str(path) for path in staged.commit()]
        plan = plan_of(removal.chosen.analysis, removal.chosen.units, self.name)
        return PruneResult(removal.run.graph, report, plan, exit_code)

    def _original(self) -> Original | None:
        """The original on the user's or on drawn inputs; None where nothing is measured."""
        if not self.verify and self.settings.max_error is None:
            return None
        with self._phase("original"):
            return Original(self.path, self.proof, self.runtime)

    def _removal(self) -> Removal:
        """The removal that was asked for, or the largest whose outputs change by no more than was allowed."""
        if self.settings.max_error is None:
            return self._remove(self.settings, self.graph, proven=self.verify)

        def error_at(ratio: float) -> float:
            tried = self._remove(self.settings.at(ratio), self.graph.copy(), proven=False)
            return self._measured(tried).relative_error

        ratio = largest_ratio(error_at, self.settings.max_error, self.progress)
        self.notes.append(f"the largest ratio whose outputs change by at most {self.settings.max_error:g}: {ratio:g}")
        return self._remove(self.settings.at(ratio), self.graph, proven=self.verify)

    def _measured(self, removal: Removal) -> Change:
        assert self.measured_by is not None
        with stage(removal.run.graph, self.folder / "tried.onnx") as tried:
            return self.measured_by.change(tried.path)

    def _remove(self, settings: PruneSettings, graph: Graph, *, proven: bool) -> Removal:
        """Edits `graph`."""
        oracle = Oracle(self.runtime)
        facts = Facts(graph, Shapes(oracle, graph), oracle=oracle)
        with self._phase("sizes"):
            sizes = probe_sizes(graph, facts, self.runtime, self.proof.shapes)
        with self._phase("dependencies"):
            analysis = analyse(facts, sizes)
        with self._phase("choosing"):
            chosen = choose(analysis, settings.wanted, settings.criterion, self._calibrate(graph))
        capturing = self._capturing(graph) if settings.repair else None
        removal = removal_of(chosen, graph, self._phase, self.runtime, capturing, proven=proven)
        self._phase.add("removal", sum(one.seconds for one in removal.run.passes))
        return removal

    def _capturing(self, graph: Graph) -> Capturing:
        """Streams the calibration data through a graph."""
        if self._captured_path is None:
            self._captured_path = self.folder / "captured.onnx"
            save(graph, self._captured_path)
        path, data = self._captured_path, self.settings.calibration
        assert data is not None
        return lambda sums: capture(path, sums, data, runtime=self.runtime, progress=self.progress)

    def _calibrate(self, graph: Graph) -> Calibrate | None:
        if self.settings.calibration is None:
            return None
        return lambda analysis, criterion: activations_of(analysis, criterion, self._capturing(graph))

    def _proof(self, removal: Removal) -> Proof:
        """The smaller model against the original with the removed channels masked."""
        assert removal.oracle is not None
        path = self.folder / "masked.onnx"
        save(removal.oracle, path)
        with stage(removal.run.graph, self.folder / "removed.onnx") as removed:
            options = replace(self.proof, same_weights=True)
            session = self.stack.enter_context(ProofSession(path, options, progress=self.progress))
            return session.judge(removed.path)

    def _repaired(self, removal: Removal) -> list[RepairReport]:
        with self._phase("repair"):
            return repair(removal.fits, removal.run.graph)

    def _report(
        self, removal: Removal, proof: Proof | None, repairs: list[RepairReport], staged: StagedModel
    ) -> PruneReport:
        chosen, run = removal.chosen, removal.run
        report = PruneReport(
            model=self.name,
            before=self.cleaned.before,
            after=run.after,
            cost_before=chosen.before,
            cost_after=chosen.after,
            groups=group_reports(chosen),
            walls=walls(chosen.analysis),
            passes=[*self.cleaned.passes, *run.passes],
            removal=proof,
            nothing=nothing_to_remove(chosen),
            repairs=repairs,
            notes=[*self.cleaned.notes, *run.notes, *chosen.notes, *self.notes],
            seconds=self.seconds,
        )
        if self.measured_by is not None:
            report.change = self.measured_by.change(staged.path)
            if self.settings.latency:
                report.latency = self.measured_by.latency(staged.path)
        return report

"""Inserting a layer into a live module: trace, capture, solve, insert, materialise. torch comes when it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphmorph.collector import rare_collections
from graphmorph.errors import GraphmorphError, VerificationError
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.layer_insertion.calibration import calibration_of
from graphmorph.layer_insertion.insertion import insertion_of
from graphmorph.layer_insertion.job import Asked, inserted, judged
from graphmorph.layer_insertion.report import InsertReport, layer_report, peak_bytes
from graphmorph.layer_insertion.sums import Capturing
from graphmorph.module_pipeline import apart, examples_of
from graphmorph.oracle import Oracle, TracedShapes
from graphmorph.phases import Phases
from graphmorph.proof import Proof
from graphmorph.rewrite_options import RewriteSettings
from graphmorph.runtime import Runtime

if TYPE_CHECKING:
    from torch import nn

    from graphmorph.torch_door.morphed_module import MorphedModule


class ModuleInsertJob:
    """One module."""

    def __init__(self, module: nn.Module, asked: Asked, running: RewriteSettings) -> None:
        self.module, self.asked, self.running = module, asked, running
        self.example_inputs, self.example = examples_of(module, running.example_inputs)
        self._phase = Phases()
        self.seconds = self._phase.seconds

    def run(self) -> MorphedModule:
        """All steps.

        Raises:
            VerificationError: outputs changed by more than was allowed, or an exact algorithm was not.
            GraphmorphError: something failed, or nothing could be compared.
        """
        from graphmorph.torch_door import materialise
        from graphmorph.torch_door.module_change import module_change

        with rare_collections(), Runtime(role="facts") as runtime:
            graph = self._traced()
            facts = Facts(graph, TracedShapes(graph), oracle=Oracle(runtime))
            with self._phase("solving"):
                asked = self.asked
                made = insertion_of(facts, asked.settings, asked.after, asked.before, self._capturing(graph), runtime)
            with self._phase("inserting"):
                run = inserted(made, asked, graph, runtime)
                deeper = materialise(run.graph, run.journal)
                deeper = deeper if self.running.in_place else apart(deeper, self.module)
        report = InsertReport(
            model=type(self.module).__name__,
            before=run.before,
            after=run.after,
            layer=layer_report(made, asked.settings),
            passes=run.passes,
            notes=[*run.notes, *made.layer.notes],
            seconds=self.seconds,
        )
        if self.running.verify:
            report.proof = self._proof(deeper) if asked.settings.algorithm == "net2deeper" else None
            report.change = module_change(self.module, deeper, self.example, samples=0, seed=0)
            if judged(report.change, asked.max_error):
                changed = f"{report.change.relative_error:.4g} of their norm"
                raise VerificationError(f"outputs changed by {changed}, more than {asked.max_error:g}")
        report.peak_bytes = peak_bytes()
        deeper.__dict__["report"] = report
        return deeper

    def _traced(self) -> Graph:
        from graphmorph.torch_door import trace

        with self._phase("tracing"):
            return trace(self.module, self.example_inputs, leaf_modules=self.running.leaf_modules)

    def _capturing(self, graph: Graph) -> Capturing | None:
        from graphmorph.torch_door.capturing import capture_module

        if self.asked.calibration is None:
            return None
        data = calibration_of(self.asked.calibration)
        return lambda listeners: capture_module(graph, listeners, data)

    def _proof(self, deeper: MorphedModule) -> Proof:
        from graphmorph.torch_door.module_proof import prove_module

        options = self.running.proof
        proof = prove_module(
            self.module, deeper, self.example, samples=options.samples, seed=options.seed, limits=options.limits
        )
        if proof.verdict == "different":
            raise VerificationError(f"the deeper module computes something else: {proof.reason}")
        if proof.verdict == "inconclusive":
            raise GraphmorphError(f"the insertion could not be proven: {proof.reason}; verify=False takes it unproven")
        return proof

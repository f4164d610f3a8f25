"""Pruning a live module: trace, choose, remove, materialise, prove in torch. torch is imported when it is asked for."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from graphmorph.channels.analysis import analyse
from graphmorph.channels.probing import probe_sizes
from graphmorph.channels.walls import walls
from graphmorph.collector import rare_collections
from graphmorph.errors import GraphmorphError, TraceWarning, VerificationError
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.module_pipeline import apart, examples_of
from graphmorph.oracle import Oracle, TracedShapes
from graphmorph.phases import Phases
from graphmorph.proof import Proof
from graphmorph.pruning.activations import activations_of
from graphmorph.pruning.change import Change
from graphmorph.pruning.choice import Calibrate, choose
from graphmorph.pruning.plan import plan_of
from graphmorph.pruning.removal import Removal, nothing_to_remove, removal_of
from graphmorph.pruning.repair import repair
from graphmorph.pruning.report import PruneReport, RepairReport, group_reports
from graphmorph.pruning.search import largest_ratio
from graphmorph.pruning.settings import PruneSettings
from graphmorph.pruning.sums import Capturing
from graphmorph.rewrite_options import RewriteSettings
from graphmorph.runtime import Runtime

if TYPE_CHECKING:
    from torch import nn

    from graphmorph.torch_door.morphed_module import MorphedModule


class ModulePruneJob:
    """One module."""

    def __init__(self, module: nn.Module, settings: PruneSettings, running: RewriteSettings) -> None:
        self.module, self.settings, self.proof = module, settings, running.proof
        self.leaf_modules, self.verify, self.in_place = running.leaf_modules, running.verify, running.in_place
        self.example_inputs, self.example = examples_of(module, running.example_inputs)
        self._phase = Phases()
        self.seconds = self._phase.seconds
        self.notes: list[str] = []

    def run(self) -> MorphedModule:
        """All steps.

        Raises:
            VerificationError: the smaller module is not the masked original.
            GraphmorphError: something failed, or nothing could be compared.
        """
        with rare_collections(), Runtime(role="facts") as self.runtime:
            removal = self._removal()
            with self._phase("proof"):
                proof = self._proof(removal) if self.verify else None
            repairs = self._repaired(removal) if self.settings.repair else []
            made = self._made(removal)
        made.__dict__["report"] = self._report(removal, made, proof, repairs)
        chosen = removal.chosen
        made.__dict__["plan"] = plan_of(chosen.analysis, chosen.units, type(self.module).__name__)
        return made

    def _traced(self) -> Graph:
        from graphmorph.torch_door import trace

        with self._phase("tracing"), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            graph = trace(self.module, self.example_inputs, leaf_modules=self.leaf_modules, through_wrapped=True)
        for one in caught:
            if issubclass(one.category, TraceWarning):
                self.notes.append(str(one.message))
            else:
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        return graph

    def _removal(self) -> Removal:
        """The removal that was asked for, or the largest whose outputs change by no more than was allowed."""
        allowed = self.settings.max_error
        if allowed is None:
            return self._remove(self.settings, proven=self.verify)

        def error_at(ratio: float) -> float:
            return self._change(self._made(self._remove(self.settings.at(ratio), proven=False))).relative_error

        ratio = largest_ratio(error_at, allowed, lambda what, done, total: None)
        self.notes = [f"the largest ratio whose outputs change by at most {allowed:g}: {ratio:g}"]
        return self._remove(self.settings.at(ratio), proven=self.verify)

    def _remove(self, settings: PruneSettings, *, proven: bool) -> Removal:
        graph = self._traced()
        facts = Facts(graph, TracedShapes(graph), oracle=Oracle(self.runtime))
        with self._phase("dependencies"):
            analysis = analyse(facts, probe_sizes(graph, facts, self.runtime))
        with self._phase("choosing"):
            chosen = choose(analysis, settings.wanted, settings.criterion, self._calibrate(graph))
        capturing = self._capturing(self._traced()) if settings.repair else None
        removal = removal_of(chosen, graph, self._phase, self.runtime, capturing, proven=proven)
        self._phase.add("removal", sum(one.seconds for one in removal.run.passes))
        return removal

    def _capturing(self, graph: Graph) -> Capturing:
        from graphmorph.torch_door.capturing import capture_module

        data = self.settings.calibration
        assert data is not None
        return lambda sums: capture_module(graph, sums, data)

    def _calibrate(self, graph: Graph) -> Calibrate | None:
        if self.settings.calibration is None:
            return None
        return lambda analysis, criterion: activations_of(analysis, criterion, self._capturing(graph))

    def _made(self, removal: Removal) -> MorphedModule:
        from graphmorph.torch_door import materialise

        with self._phase("materialising"):
            made = materialise(removal.run.graph, removal.run.journal)
            return made if self.in_place else apart(made, self.module)

    def _proof(self, removal: Removal) -> Proof:
        """The smaller module against the one in which the removed channels are masked.

        Raises:
            VerificationError: they differ.
            GraphmorphError: they could not be compared.
        """
        from graphmorph.torch_door import materialise
        from graphmorph.torch_door.module_proof import prove_module

        assert removal.oracle is not None
        options = self.proof
        proof = prove_module(
            materialise(removal.oracle),
            materialise(removal.run.graph),
            self.example,
            samples=options.samples,
            seed=options.seed,
            limits=options.limits,
        )
        if proof.verdict == "different":
            raise VerificationError(f"the smaller module is not the original with masked channels: {proof.reason}")
        if proof.verdict == "inconclusive":
            raise GraphmorphError(f"the removal could not be proven: {proof.reason}; verify=False takes it unproven")
        return proof

    def _repaired(self, removal: Removal) -> list[RepairReport]:
        with self._phase("repair"):
            return repair(removal.fits, removal.run.graph)

    def _change(self, made: MorphedModule) -> Change:
        from graphmorph.torch_door.module_change import module_change

        return module_change(self.module, made, self.example, samples=self.proof.samples, seed=self.proof.seed)

    def _report(
        self, removal: Removal, made: MorphedModule, proof: Proof | None, repairs: list[RepairReport]
    ) -> PruneReport:
        chosen, run = removal.chosen, removal.run
        notes = run.graph.traced.notes if run.graph.traced is not None else []
        return PruneReport(
            model=type(self.module).__name__,
            before=run.before,
            after=run.after,
            cost_before=chosen.before,
            cost_after=chosen.after,
            groups=group_reports(chosen),
            walls=walls(chosen.analysis),
            passes=run.passes,
            removal=proof,
            nothing=nothing_to_remove(chosen),
            change=self._change(made) if self.verify else None,
            repairs=repairs,
            notes=[*notes, *run.notes, *chosen.notes, *dict.fromkeys(self.notes)],
            seconds=self.seconds,
        )

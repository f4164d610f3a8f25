"""Runs a pipeline of rewrites: finds sites, applies those that do not overlap, and finds again until none is left.

A pass that edits may open sites for those before it, so the pipeline is swept until every pass has seen the graph that
all of them left. Growth would never settle: passes that grow, and approximate ones, find once.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from graphmorph.certification import certificate_for
from graphmorph.editor import Edit, Editor
from graphmorph.errors import RefusedError
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.journal import Journal
from graphmorph.names import NameAllocator
from graphmorph.oracle import Oracle, Shapes, TracedShapes
from graphmorph.report import ModelSummary, PassReport, RefusalReport, RewriteReport
from graphmorph.rewrite import Refusal, Rewrite, Site
from graphmorph.runtime import Runtime
from graphmorph.summary import EMPTY, multiply_adds, parameters_of, summarise

#: No pipeline needs more; one that does is not converging.
MAX_ROUNDS = 100

#: A pass that removes more nodes than this has their memory freed before the next one starts.
COLLECT_ABOVE = 1_000

Progress = Callable[[str, int, int], None]
SiteKey = tuple[str, str]


@dataclass
class RunResult:
    """The edited graph, what each pass did, and the constants that moved."""

    graph: Graph
    passes: list[PassReport]
    journal: Journal
    notes: list[str] = field(default_factory=list)
    applied: list[SiteKey] = field(default_factory=list)
    before: ModelSummary = EMPTY
    after: ModelSummary = EMPTY

    @property
    def approximate(self) -> bool:
        """Whether a rewrite was made that does not keep the function: a proof then measures, and judges nothing."""
        return any(one.kind == "approximate" and one.rewrites for one in self.passes)


class PassManager:
    """A pipeline.

    keep: globs of node names to leave as they are. certify: compute the certificate of each rewrite of an affine
    region. max_rewrites: stop after so many, clean-up not counted. without: sites, by pass and root tensor, that are
    not applied; that is how a rewrite is rolled back.
    """

    def __init__(
        self,
        passes: Sequence[Rewrite],
        *,
        keep: Iterable[str] = (),
        certify: bool = False,
        max_rewrites: int | None = None,
        without: Iterable[SiteKey] = (),
        runtime: Runtime | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.passes = list(passes)
        self.keep = tuple(keep)
        self.certify = certify
        self.max_rewrites = max_rewrites
        self.without = frozenset(without)
        self.runtime = runtime
        self.progress = progress or (lambda what, done, total: None)

    def run(self, graph: Graph) -> RunResult:
        """Edit `graph` in place."""
        if self.runtime is not None:
            return self._run(graph, Oracle(self.runtime))
        with Runtime() as runtime:
            return self._run(graph, Oracle(runtime))

    def _run(self, graph: Graph, oracle: Oracle) -> RunResult:
        result = RunResult(graph, [], Journal())
        names = NameAllocator(graph)
        shapes = TracedShapes(graph) if graph.traced is not None else Shapes(oracle, graph)
        result.before = summarise(Facts(graph, shapes))
        kept = self.kept(graph)
        result.passes = [
            PassReport(rewrite.name, rewrite.kind, rewrite.cleanup, grows=rewrite.grows) for rewrite in self.passes
        ]
        settled_at = [-1] * len(self.passes)
        for sweep in range(MAX_ROUNDS):
            for place, (rewrite, report) in enumerate(zip(self.passes, result.passes, strict=True)):
                if settled_at[place] == len(result.journal) or (sweep and _finds_once(rewrite)):
                    continue
                started, removed = time.perf_counter(), result.journal.nodes_removed
                self._run_pass(rewrite, (graph, shapes, kept, oracle), names, result, report)
                if result.journal.nodes_removed - removed > COLLECT_ABOVE:
                    gc.collect()  # nodes and tensors refer to each other, so removed ones wait for this
                report.seconds += time.perf_counter() - started
                settled_at[place] = len(result.journal)
                if rewrite.cleanup and result.before.macs is None:
                    # Clean-up changes no convolution, and makes more of their sizes known.
                    result.before = replace(result.before, macs=multiply_adds(Facts(graph, shapes)))
            if all(settled == len(result.journal) for settled in settled_at):
                break
        result.after = summarise(Facts(graph, shapes)) if result.journal.modified else result.before
        result.notes.extend(oracle.notes)
        return result

    def kept(self, graph: Graph) -> frozenset[str]:
        """First outputs of the nodes whose name, or whose output's name, matches a glob of `keep`."""
        return frozenset(
            node.outputs[0].name
            for node in graph.nodes
            if node.outputs
            and any(fnmatchcase(n, glob) for glob in self.keep for n in (node.name, node.outputs[0].name))
        )

    def _run_pass(
        self,
        rewrite: Rewrite,
        known: tuple[Graph, Shapes | TracedShapes, frozenset[str], Oracle],
        names: NameAllocator,
        result: RunResult,
        report: PassReport,
    ) -> None:
        graph, shapes, _, _ = known
        failed: dict[str, RefusalReport] = {}
        for _ in range(MAX_ROUNDS):
            report.rounds += 1
            facts = Facts(*known)
            found = list(rewrite.find(graph, facts))
            refusals = [RefusalReport(rewrite.name, r.node, r.op, r.reason) for r in found if isinstance(r, Refusal)]
            sites = [s for s in found if isinstance(s, Site) and s.root not in failed]
            editor = Editor(graph, facts, result.journal, names)
            edits = self._apply_all(rewrite, sites, editor, result, report, failed)
            editor.flush()
            report.refusals = [*refusals, *failed.values()]
            if edits == 0 or _finds_once(rewrite):
                return
            if rewrite.cleanup:
                shapes.forget()

    def _apply_all(
        self,
        rewrite: Rewrite,
        sites: list[Site],
        editor: Editor,
        result: RunResult,
        report: PassReport,
        failed: dict[str, RefusalReport],
    ) -> int:
        claimed: set[str] = set()
        edits = 0
        for number, site in enumerate(sites):
            if site.claims & claimed:
                continue
            if not rewrite.cleanup and self._stopped(rewrite, site, result, failed):
                continue
            self.progress(rewrite.name, number, len(sites))
            editor.begin(rewrite.name, site.root)
            try:
                rewrite.apply(site, editor)
            except RefusedError as refusal:
                editor.abort()
                op = editor.facts.producer[site.root].op
                failed[site.root] = RefusalReport(rewrite.name, site.root, op, str(refusal))
                continue
            report.rewrites.append(self._commit(rewrite, site, editor))
            claimed |= site.claims
            edits += 1
            if not rewrite.cleanup:
                result.applied.append((rewrite.name, site.root))
        return edits

    def _stopped(self, rewrite: Rewrite, site: Site, result: RunResult, failed: dict[str, RefusalReport]) -> bool:
        if (rewrite.name, site.root) in self.without:
            reason = "rolled back: the proof failed with it"
        elif self.max_rewrites is not None and len(result.applied) >= self.max_rewrites:
            reason = f"stopped after {self.max_rewrites} rewrites, as asked"
        else:
            return False
        failed[site.root] = RefusalReport(rewrite.name, site.root, site.summary.split(" ->")[0], reason)
        return True

    def _commit(self, rewrite: Rewrite, site: Site, editor: Editor) -> RewriteReport:
        edit: Edit = editor.edit
        before = parameters_of([*edit.old, *edit.touched])
        names_before = [node.name or node.op for node in edit.old]
        certificate = certificate_for(edit, editor.facts) if self.certify and not rewrite.cleanup else None
        plan = getattr(site.data, "plan", None)
        editor.commit()
        return RewriteReport(
            rewrite.name,
            site.root,
            site.summary,
            names_before,
            [node.name for node in edit.new],
            before,
            parameters_of([*edit.new, *edit.touched]),
            getattr(plan, "macs_before", None),
            getattr(plan, "macs_after", None),
            certificate,
        )


def _finds_once(rewrite: Rewrite) -> bool:
    return rewrite.grows or rewrite.kind == "approximate"

"""From plans to rewrite sites: what fold-batchnorm and fuse-branches share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from graphmorph.affine.absorption import absorptions
from graphmorph.affine.candidates import Candidate
from graphmorph.affine.emission import Emitter
from graphmorph.affine.plan import Plan, settled_plans
from graphmorph.affine.region import Search
from graphmorph.editor import Editor
from graphmorph.rewrite import Refusal, Site


@dataclass(frozen=True, eq=False)
class Fusion:
    """A plan ready to be emitted."""

    plan: Plan
    search: Search

    def apply(self, editor: Editor) -> None:
        Emitter(self.plan, self.search, editor).emit()


def fusions(search: Search, wanted: Callable[[Plan], bool], candidates: list[Candidate]) -> Iterator[Site | Refusal]:
    """Sites for the plans that pay and are wanted; a refusal for each candidate that is in none of them."""
    plans = list(settled_plans(search))
    sites = [_site(plan, search) for plan in plans if plan.pays and wanted(plan)]
    yield from sites
    yield from _refusals(search, plans, sites, candidates)


def chains(search: Search, candidates: list[Candidate]) -> Iterator[Site | Refusal]:
    """Sites for every plan that pays, and for scales behind a producer that can absorb them."""
    plans = list(settled_plans(search))
    absorbed = list(absorptions(plans, search.facts))
    claimed = frozenset().union(*(site.claims for site in absorbed))
    sites = absorbed + [_site(plan, search) for plan in plans if plan.pays and not plan.cone.outputs & claimed]
    yield from sites
    yield from _refusals(search, plans, sites, candidates)


def _site(plan: Plan, search: Search) -> Site:
    return Site(plan.cone.root, plan.cone.outputs, describe(plan), Fusion(plan, search))


def _refusals(search: Search, plans: list[Plan], sites: list[Site], candidates: list[Candidate]) -> Iterator[Refusal]:
    taken = frozenset().union(*(site.claims for site in sites))
    where = {name: plan for plan in plans for name in plan.cone.outputs}
    for candidate in candidates:
        if candidate.output not in taken:
            reason = reason_for(candidate, search, where.get(candidate.output))
            yield Refusal(candidate.name, candidate.op, reason)


def describe(plan: Plan) -> str:
    """One line: what became what."""
    counts: dict[str, int] = {}
    for node in plan.cone.nodes:
        counts[node.op] = counts.get(node.op, 0) + 1
    before = ", ".join(f"{count} {op}" if count > 1 else op for op, count in counts.items())
    return f"{before} -> {plan.nodes_after} node{'s' if plan.nodes_after != 1 else ''}"


def reason_for(candidate: Candidate, search: Search, plan: Plan | None) -> str:
    """The condition that failed. What happened along the branches goes before what became of their sum."""
    if candidate.output in search.walls:
        return search.walls[candidate.output]
    for reasons in (search.walls, search.blame):
        for name in candidate.along:
            if name in reasons:
                return f"{reasons[name]} (at {name})"
    own = candidate.shared or search.blame.get(candidate.output)
    if own is not None:
        return own
    if plan is not None and len(plan.groups) > 1 and plan.macs_as_one > plan.macs_before:
        return (
            f"one kernel would take {plan.macs_as_one:.0f} multiply-adds a position instead of {plan.macs_before:.0f}"
        )
    if plan is not None and plan.merges and not plan.pays:
        return (
            f"one kernel would take {plan.macs_after:.0f} multiply-adds a position instead of {plan.macs_before:.0f}, "
            f"{plan.nodes_after} nodes instead of {plan.nodes_before}"
        )
    return candidate.surroundings

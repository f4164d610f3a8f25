"""What a region could become: its terms grouped into convolutions, and whether that costs less than what is there.

The rule (measured in benchmarks): rewrite if and only if neither the multiply-adds nor the nodes rise, and one falls.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from graphmorph.affine.form import Form, Term
from graphmorph.affine.kernel import multiply_adds
from graphmorph.affine.region import Cone, Region, Search


@dataclass(frozen=True, eq=False)
class Group:
    """Terms on one source that become one node: the source itself, a scale of it, or a convolution."""

    terms: tuple[Term, ...]

    @property
    def source(self) -> str:
        return self.terms[0].source

    @property
    def is_identity(self) -> bool:
        return len(self.terms) == 1 and self.terms[0].kernel.is_identity

    @property
    def is_scale(self) -> bool:
        return all(term.kernel.is_diagonal and not term.costs for term in self.terms)

    @property
    def cost(self) -> float:
        """Multiply-adds per output position of the region."""
        return 0.0 if self.is_scale else float(multiply_adds([term.kernel for term in self.terms]))

    @property
    def convolves(self) -> bool:
        return not self.is_scale


@dataclass(frozen=True, eq=False)
class Plan:
    """A region, the groups that replace it, and the price of both."""

    cone: Cone
    form: Form
    groups: tuple[Group, ...]
    macs_before: float
    macs_after: float
    nodes_after: int

    @property
    def nodes_before(self) -> int:
        return len(self.cone.nodes)

    @property
    def merges(self) -> bool:
        """Whether branches meet in one convolution, or convolutions in series become one."""
        return any(len(group.terms) > 1 or group.terms[0].weighted_nodes > 1 for group in self.groups)

    @property
    def macs_as_one(self) -> float:
        """Multiply-adds if the terms on each source were one kernel, whatever that costs."""
        by_source: dict[str, tuple[Term, ...]] = {}
        for term in self.form.terms:
            by_source[term.source] = (*by_source.get(term.source, ()), term)
        return sum(Group(terms).cost for terms in by_source.values())

    @property
    def pays(self) -> bool:
        if self.nodes_after > self.nodes_before or self.macs_after > self.macs_before * (1 + 1e-9):
            return False
        return self.nodes_after < self.nodes_before or self.macs_after < self.macs_before * (1 - 1e-9)


def group_terms(terms: Iterable[Term]) -> tuple[Group, ...]:
    """Partition the terms of a sum, largest first, joining a group wherever that adds no multiply-adds."""
    groups: list[Group] = []
    for term in sorted(terms, key=lambda t: -Group((t,)).cost):
        alone = Group((term,)).cost
        best: int | None = None
        best_rise = 0.0
        for place, group in enumerate(groups):
            if group.source != term.source:
                continue
            rise = Group((*group.terms, term)).cost - group.cost - alone
            if rise <= 0 and (best is None or rise < best_rise):
                best, best_rise = place, rise
        if best is None:
            groups.append(Group((term,)))
        else:
            groups[best] = Group((*groups[best].terms, term))
    return tuple(groups)


def plan_of(region: Region) -> Plan:
    """Price a region before and after."""
    form = region.form
    groups = group_terms(form.terms)
    after = sum(group.cost for group in groups)
    return Plan(region.cone, form, groups, _cost_before(form), after, _nodes_after(groups, form))


def _cost_before(form: Form) -> float:
    """Multiply-adds of the region's nodes per output position; a node that several terms share counts once."""
    costs: dict[str, float] = {}
    for term in form.terms:
        stride = 1.0
        for along in term.kernel.stride:
            stride *= along
        for node, cost in term.costs.items():
            costs[node] = cost * stride
    return sum(costs.values())


def _nodes_after(groups: tuple[Group, ...], form: Form) -> int:
    nodes = sum(0 if group.is_identity else 1 for group in groups) + len(groups) - 1
    bias_apart = form.bias is not None and not carries_bias(groups, form)
    return max(nodes + bias_apart, 1)  # a region that is its own source leaves an Identity


def carries_bias(groups: tuple[Group, ...], form: Form) -> bool:
    """Whether one of the nodes has a bias input of its own: Conv and Gemm do, MatMul and Mul do not."""
    return any(group.convolves for group in groups) and (form.rank > 0 or is_matrix(form))


def is_matrix(form: Form) -> bool:
    """Whether the data has two dimensions, so that Gemm applies."""
    return form.rank == 0 and len(form.batch) == 1


def uses_gemm(search: Search, groups: tuple[Group, ...]) -> bool:
    """Whether a Gemm is among the nodes of the groups."""
    named = {node for group in groups for term in group.terms for node in term.costs}
    return any(search.facts.producer[name].op == "Gemm" for name in named)


def dearer_joints(plan: Plan) -> set[str]:
    """Where to cut: at the joints of each group that costs more than its own nodes, and, where the whole does not pay,
    of those that share a node with another group."""
    shared: dict[str, int] = {}
    for group in plan.groups:
        for node in {node for term in group.terms for node in term.costs}:
            shared[node] = shared.get(node, 0) + 1
    joints: set[str] = set()
    for group in plan.groups:
        own = _cost_before(Form(group.terms, None, 0, "first", ()))
        divided = not plan.pays and any(shared[node] > 1 for term in group.terms for node in term.costs)
        if group.cost > own * (1 + 1e-9) or divided:
            joints.update(joint for term in group.terms for joint in term.joints)
    return joints - {plan.cone.root}


def settled_plans(search: Search) -> Iterable[Plan]:
    """Plans of all regions; one that is dearer than what it replaces is cut and tried again in parts."""
    for region in search.regions():
        waiting = [region]
        while waiting:
            current = waiting.pop()
            plan = plan_of(current)
            joints = (dearer_joints(plan) - search.cuts) & current.cone.outputs
            if not joints:
                yield plan
                continue
            note_cost(search, plan, joints)
            search.cuts |= joints
            for part in search.parts(current.cone):
                waiting.extend(search.settle(part))


def note_cost(search: Search, plan: Plan, joints: set[str]) -> None:
    """Remember why a region was cut."""
    reason = (
        f"one kernel would take {plan.macs_after:.0f} multiply-adds a position instead of {plan.macs_before:.0f}"
        if plan.macs_after > plan.macs_before
        else f"one kernel would take {plan.nodes_after} nodes instead of {plan.nodes_before}"
    )
    for joint in joints:
        for reader in search.facts.readers[joint]:
            search.blame.setdefault(reader.node.outputs[0].name, reason)

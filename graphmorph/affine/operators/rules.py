"""The table of operator rules, keyed by operator and by the versions of it that the rule is known to read rightly."""

from __future__ import annotations

from collections.abc import Callable

import onnx_graphsurgeon as gs

from graphmorph.affine.operators.steps import Step, Wall
from graphmorph.facts import STANDARD_DOMAINS, Facts
from graphmorph.schema import version_of, violation

Rule = Callable[[gs.Node, Facts, int], Step | Wall]

_RULES: dict[str, tuple[Rule, frozenset[int]]] = {}


def rule(op: str, *versions: int) -> Callable[[Rule], Rule]:
    """Register a rule for the given since-versions of an ONNX operator; the rule receives the one in force."""

    def register(function: Rule) -> Rule:
        if op in _RULES:
            raise ValueError(f"two rules for operator {op}")
        _RULES[op] = (function, frozenset(versions))
        return function

    return register


def supported() -> dict[str, tuple[int, ...]]:
    """Operators that regions pass through, and the since-versions known of each."""
    return {op: tuple(sorted(versions)) for op, (_, versions) in sorted(_RULES.items())}


def _origin(node: gs.Node) -> str:
    return f"domain {node.domain}" if node.domain not in STANDARD_DOMAINS else "a function of the model overrides it"


def step_of(node: gs.Node, facts: Facts) -> Step | Wall:
    """What a node does to affine forms, or why it ends a region."""
    entry = _RULES.get(node.op)
    if not facts.is_standard(node):
        return Wall(f"{node.op} is not ONNX's own ({_origin(node)})")
    if entry is None:
        return Wall(f"{node.op} is not affine")
    special = facts.specialised(node)
    if special is not None:
        return Wall(f"{node.op} holds for the traced sizes only ({special})")
    function, versions = entry
    version = version_of(node.op, facts.opset)
    if version == 0:
        return Wall(f"{node.op} of opset {facts.opset} is not known to this version of onnx")
    if version not in versions:
        return Wall(f"version {version} of {node.op} is not known")
    broken = violation(node, facts.opset)
    if broken is not None:
        return Wall(broken)
    return function(node, facts, version)

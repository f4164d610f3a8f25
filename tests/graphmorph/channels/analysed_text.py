"""The analysis of a small model that is given as ONNX text."""

from __future__ import annotations

from collections.abc import Iterable

from graphmorph.channels.analysis import Analysis, analyse
from graphmorph.channels.groups import Group
from graphmorph.channels.sizes import Sizes
from graphmorph.facts import Facts
from graphmorph.onnx_door import load
from graphmorph.oracle import Oracle
from graphmorph.runtime import Runtime
from tests.passes.text_models import Weights, build


def facts_of(runtime: Runtime, text: str, weights: Weights, *, opset: int = 17, domains: Iterable[str] = ()) -> Facts:
    graph = load(build(text, weights, opset=opset, domains=domains))
    return Facts(graph, lambda: Oracle(runtime).shapes(graph))


def analysed(
    runtime: Runtime,
    text: str,
    weights: Weights,
    *,
    free: int = 2,
    opset: int = 17,
    domains: Iterable[str] = (),
) -> Analysis:
    """Symbolic sizes are taken to be `free` in the run that is looked at."""
    facts = facts_of(runtime, text, weights, opset=opset, domains=domains)
    shapes = {name: known.shape for name, known in facts.shapes.items() if known.shape is not None}
    sizes = {name: tuple(n if isinstance(n, int) else free for n in shape) for name, shape in shapes.items()}
    frees = {name: frozenset(i for i, n in enumerate(s) if not isinstance(n, int)) for name, s in shapes.items()}
    return analyse(facts, Sizes(sizes, frees))


def group_of(analysis: Analysis, constant: str, axis: int = 0) -> Group:
    """The group that lies on an axis of a constant."""
    return next(g for g in analysis.groups for m in g.members if (m.slot.name, m.axis) == (constant, axis))

"""What is the same for every input becomes a constant; what does nothing, and what nobody reads, goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph import constant_folding as folding
from graphmorph.editor import Editor
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.rewrite import Kind, Refusal, Rewrite, Site

What = Literal["constant", "pass through", "cast", "dead"]


@dataclass(frozen=True, eq=False)
class Fold:
    """`nodes` and what becomes of them; `value` is the constant that takes the place of their one output."""

    what: What
    nodes: tuple[gs.Node, ...]
    value: Any = None


@dataclass(frozen=True)
class FoldConstants(Rewrite):
    """Clean up what exporters leave behind.

    1. Constant nodes become initializers; shape arithmetic and other constant expressions their values. onnxruntime
       finds them, as an oracle: its values are taken, its graph is not.
    2. Dimensions picked from a Shape that are static although others are dynamic.
    3. CastLike to a known type becomes Cast; Identity and Dropout (at inference) go.
    4. Nodes that nobody reads go.
    5. Left alone: quantisation, random numbers, custom operators, subgraphs, graph outputs, constants that would grow
       the file.
    """

    name: ClassVar[str] = "fold-constants"
    kind: ClassVar[Kind] = "exact"
    summary: ClassVar[str] = "fold constants and shape arithmetic, remove what does nothing and what nobody reads"
    cleanup: ClassVar[bool] = True

    def find(self, graph: Graph, facts: Facts) -> Iterator[Site | Refusal]:
        sites = [
            *_constant_nodes(facts),
            *_fills(facts),
            *_casts(facts),
            *_pass_throughs(facts),
            *_dead(facts),
        ]
        if not sites:
            sites = list(_asked(graph, facts))
        yield from sites

    def apply(self, site: Site, editor: Editor) -> None:
        fold: Fold = site.data
        if fold.what == "constant":
            editor.make_constant(fold.nodes[0], site.root, fold.value)
        elif fold.what == "pass through":
            editor.bypass(fold.nodes[0])
        elif fold.what == "cast":
            node = fold.nodes[0]
            output = editor.root_stand_in(node.outputs[0])
            editor.node("Cast", node.name, [node.inputs[0]], output, {"to": fold.value}, in_place_of=node)
            editor.remove(fold.nodes)
        else:
            editor.remove(fold.nodes)


def _site(what: What, node: gs.Node, root: str, value: Any = None) -> Site:
    claims = frozenset(t.name for t in node.outputs if t.name)
    became = {"constant": "a constant", "pass through": "its input", "cast": "Cast"}[what]
    return Site(root, claims, f"{node.op} -> {became}", Fold(what, (node,), value))


def _constant_nodes(facts: Facts) -> Iterator[Site]:
    for node in facts.order:
        if node.op != "Constant" or not folding.foldable(node, facts) or facts.is_pinned(node.outputs[0].name):
            continue
        value = folding.constant_node_values(node)
        if value is not None:
            yield _site("constant", node, node.outputs[0].name, value)


def _fills(facts: Facts) -> Iterator[Site]:
    for node, value in folding.fills(facts):
        yield _site("constant", node, node.outputs[0].name, value)


def _casts(facts: Facts) -> Iterator[Site]:
    for node in facts.order:
        if node.op == "CastLike" and folding.foldable(node, facts) and len(node.inputs) == 2:
            target = facts.dtype(node.outputs[0])
            if target:
                yield _site("cast", node, node.outputs[0].name, target)


def _pass_throughs(facts: Facts) -> Iterator[Site]:
    for node in facts.order:
        if folding.passes_through(node, facts):
            source, output = node.inputs[0], node.outputs[0]
            renames = facts.is_pinned(output.name)
            if renames and (output.name in facts.captured or not _renamable(source, facts)):
                continue
            site = _site("pass through", node, output.name)
            yield replace(site, claims=site.claims | {source.name}) if renames else site


def _renamable(tensor: gs.Tensor, facts: Facts) -> bool:
    return tensor.name in facts.producer and not facts.is_pinned(tensor.name)


def _dead(facts: Facts) -> Iterator[Site]:
    dead = tuple(folding.dead_nodes(facts))
    if dead:
        claims = frozenset(t.name for node in dead for t in node.outputs if t.name)
        root = dead[-1].outputs[0].name
        yield Site(root, claims, f"{len(dead)} nodes that nobody reads", Fold("dead", dead))


def _asked(graph: Graph, facts: Facts) -> Iterator[Site]:
    """What only an oracle knows; asked when nothing simpler is left to do."""
    if facts.oracle is None or facts.oracle.exhausted or not folding.worth_asking(facts):
        return
    values = {node.outputs[0].name: value for node, value in folding.known_dimensions(facts)}
    if not values:
        values = folding.accepted(facts.oracle.constants(graph), facts)
    if not values:
        nodes, frontier = folding.on_large_constants(facts)
        values = facts.oracle.evaluate(graph, nodes, frontier) if frontier else {}
    facts.oracle.exhausted = not values
    for name, value in values.items():
        if any(reader.node.outputs for reader in facts.readers[name]):
            yield _site("constant", facts.producer[name], name, np.asarray(value))

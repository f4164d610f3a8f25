"""Which sites of a traced graph no pass has touched: their fx nodes are the module's own code again.

A site is intact when all of its nodes are there with the same operators, attributes, constants and outputs, when its
inputs were at most renamed, and when nobody outside reads what is inside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.graph import Graph
from graphmorph.torch_door.parameters import ParameterValues, source_of
from graphmorph.torch_door.record import NodeSnapshot, Site, TraceRecord
from graphmorph.torch_door.trees import tensors_of


@dataclass(frozen=True)
class IntactSite:
    """A site as it was; `renamed` gives the tensor that each input is now."""

    site: Site
    nodes: tuple[gs.Node, ...]
    renamed: dict[str, gs.Tensor]


def intact_sites(graph: Graph, record: TraceRecord) -> list[IntactSite]:
    """Every intact site, in the order of the program."""
    present: dict[int, dict[str, gs.Node]] = defaultdict(dict)
    doubled: set[str] = set()
    for node in graph.nodes:
        site = record.site_of.get(node.name)
        if site is not None:
            if node.name in present[site.order]:
                doubled.add(node.name)
            present[site.order][node.name] = node
    readers = _readers(graph)
    kept = {t.name for t in graph.outputs}
    found = []
    for site in record.sites:
        nodes = present.get(site.order, {})
        if len(nodes) < len(site.nodes) or doubled & set(nodes):
            continue
        intact = _intact(site, [nodes[s.name] for s in site.nodes], readers, kept, record)
        if intact is not None:
            found.append(intact)
    return found


def _readers(graph: Graph) -> dict[str, set[str]]:
    readers: dict[str, set[str]] = defaultdict(set)
    for node in graph.nodes:
        for tensor in node.inputs:
            readers[tensor.name].add(node.name)
    return readers


def _intact(
    site: Site, nodes: list[gs.Node], readers: dict[str, set[str]], kept: set[str], record: TraceRecord
) -> IntactSite | None:
    inside = {name for snapshot in site.nodes for name in snapshot.outputs}
    renamed: dict[str, gs.Tensor] = {}
    for node, snapshot in zip(nodes, site.nodes, strict=True):
        if not _same_node(node, snapshot):
            return None
        for tensor, name in zip(node.inputs, snapshot.inputs, strict=True):
            if not _same_input(tensor, name, inside, renamed, record):
                return None
    given = _given_names(site)
    own = {node.name for node in nodes}
    if any(name in kept or readers[name] - own for name in inside - given):
        return None
    return IntactSite(site, tuple(nodes), renamed)


def _given_names(site: Site) -> set[str]:
    given = {t.name for t in tensors_of(site.result)} if site.result is not None else set()
    return given | {new for new, _ in site.rebinds}


def _same_node(node: gs.Node, snapshot: NodeSnapshot) -> bool:
    return (
        node.op == snapshot.op
        and (node.domain or "") == snapshot.domain
        and node.attrs == snapshot.attrs
        and len(node.inputs) == len(snapshot.inputs)
        and tuple(t.name for t in node.outputs) == snapshot.outputs
    )


def _same_input(
    tensor: gs.Tensor, name: str, inside: Iterable[str], renamed: dict[str, gs.Tensor], record: TraceRecord
) -> bool:
    if name in record.parameters or name in record.literals or not name:
        return bool(tensor.name == name) and _same_constant(tensor, record)
    if name in inside:
        return bool(tensor.name == name)
    known = renamed.setdefault(name, tensor)
    return bool(known.name == tensor.name)


def _same_constant(tensor: gs.Tensor, record: TraceRecord) -> bool:
    if not tensor.name:
        return True
    if not isinstance(tensor, gs.Constant):
        return False
    known = record.parameters.get(tensor.name)
    if known is not None:
        values = tensor._values
        if isinstance(values, ParameterValues):
            return values.source is known.source and values.transposed == known.transposed
        return source_of(tensor, known) is not None
    return np.array_equal(np.asarray(tensor._values), record.literals[tensor.name])

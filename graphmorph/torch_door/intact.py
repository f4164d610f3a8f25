"""Which sites of a traced graph no pass has touched: their fx nodes are the module's own code again.

A site is intact when all of its nodes are there with the same operators, attributes, constants and outputs, when its
inputs were at most renamed, and when nobody outside reads what is inside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import torch
from torch import fx

from graphmorph.graph import Graph
from graphmorph.torch_door.calls import Call
from graphmorph.torch_door.parameters import ParameterValues, source_of
from graphmorph.torch_door.record import NodeSnapshot, Site, TraceRecord
from graphmorph.torch_door.trees import tensors_of


@dataclass(frozen=True)
class Heir:
    """A constant that is read in the place of a tensor of the module, or of its transpose."""

    constant: gs.Constant
    source: torch.Tensor
    transposed: bool

    @property
    def sizes(self) -> tuple[int, ...]:
        """Its sizes in the order of the tensor's own axes."""
        shape = tuple(int(n) for n in self.constant.shape)
        return shape[::-1] if self.transposed else shape

    @property
    def is_the_same(self) -> bool:
        """Whether no pass changed it."""
        return source_of(self.constant, ParameterValues(self.source, self.transposed)) is self.source


@dataclass(frozen=True)
class IntactSite:
    """A site that is still a call of the program; `renamed` gives the tensor that each input is now.

    call: the call, where it is not that of the fx node. heirs: by the identity of tensors of the module, what is read
    now. tensors, settings: by their paths in the module that is called, its new parameters, buffers and attributes; the
    module itself is called where there are none.
    """

    site: Site
    nodes: tuple[gs.Node, ...]
    renamed: dict[str, gs.Tensor]
    call: Call | None = None
    heirs: Mapping[int, Heir] = field(default_factory=dict)
    tensors: Mapping[str, Heir] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def argument_nodes(self) -> list[fx.Node]:
        """The fx nodes that the call is given."""
        return list(self.site.arguments) if self.call is None else self.call.nodes

    @property
    def calls_own_module(self) -> bool:
        """Whether the very module of the program is called."""
        return self.site.fx_node.op == "call_module" and not self.tensors and not self.settings


@dataclass(frozen=True)
class PresentSite:
    """A site all of whose nodes are there, in their order. is_read_inside: others read what is none of its results."""

    site: Site
    nodes: tuple[gs.Node, ...]
    is_read_inside: bool


def intact_sites(graph: Graph, record: TraceRecord) -> list[IntactSite]:
    """Every intact site, in the order of the program."""
    found = (intact_or_none(present, record) for present in present_sites(graph, record))
    return [intact for intact in found if intact is not None]


def present_sites(graph: Graph, record: TraceRecord) -> list[PresentSite]:
    """Every site whose nodes are all there, in the order of the program."""
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
        if len(nodes) == len(site.nodes) and not doubled & set(nodes):
            hidden = {name for snapshot in site.nodes for name in snapshot.outputs} - _given_names(site)
            read = any(name in kept or readers[name] - set(nodes) for name in hidden)
            found.append(PresentSite(site, tuple(nodes[s.name] for s in site.nodes), read))
    return found


def _readers(graph: Graph) -> dict[str, set[str]]:
    readers: dict[str, set[str]] = defaultdict(set)
    for node in graph.nodes:
        for tensor in node.inputs:
            readers[tensor.name].add(node.name)
    return readers


def intact_or_none(present: PresentSite, record: TraceRecord) -> IntactSite | None:
    """A site that no pass touched."""
    inside = _inside(present.site)
    renamed: dict[str, gs.Tensor] = {}
    for node, snapshot in zip(present.nodes, present.site.nodes, strict=True):
        if not _same_node(node, snapshot):
            return None
        sized = record.sizes_read.get(node.name, {})
        for place, (tensor, name) in enumerate(zip(node.inputs, snapshot.inputs, strict=True)):
            if place in sized and _same_sizes(tensor, record.parameters.get(name), sized[place]):
                continue
            if not _same_input(tensor, name, inside, renamed, record):
                return None
    return None if present.is_read_inside else IntactSite(present.site, present.nodes, renamed)


def renamed_inputs(present: PresentSite, record: TraceRecord) -> dict[str, gs.Tensor] | None:
    """The tensor that each input is now, by the name it was traced under; None where the nodes hang together otherwise.

    Constants are not looked at: what they are is for others to judge.
    """
    inside = _inside(present.site)
    renamed: dict[str, gs.Tensor] = {}
    for node, snapshot in zip(present.nodes, present.site.nodes, strict=True):
        if tuple(t.name for t in node.outputs) != snapshot.outputs:
            return None
        for tensor, name in zip(node.inputs, snapshot.inputs, strict=False):
            if not name or name in record.parameters or name in record.literals:
                if bool(tensor.name) != bool(name) or isinstance(tensor, gs.Constant) != bool(name):
                    return None
            elif not _same_input(tensor, name, inside, renamed, record):
                return None
    return renamed


def _inside(site: Site) -> set[str]:
    return {name for snapshot in site.nodes for name in snapshot.outputs}


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


def _same_sizes(tensor: gs.Tensor, known: ParameterValues | None, axes: Iterable[int]) -> bool:
    """Whether a constant has the sizes along some axes that a tensor of the module had."""
    if known is None or not isinstance(tensor, gs.Constant) or len(tensor.shape) != len(known.shape):
        return False
    return all(tensor.shape[axis] == known.shape[axis] for axis in axes)


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
    return is_same_literal(tensor, tensor.name, record)


def is_same_literal(tensor: gs.Tensor, name: str, record: TraceRecord) -> bool:
    """Whether a tensor is a constant of the program's own that was traced under a name."""
    same = isinstance(tensor, gs.Constant) and tensor.name == name
    return same and np.array_equal(np.asarray(tensor._values), record.literals[name])

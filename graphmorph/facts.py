"""Read-only facts about a graph: who makes and who reads each tensor, what is constant, what sizes are known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, cast

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.errors import GraphError
from graphmorph.graph import Graph, constant_array
from graphmorph.runtime.protocol import TensorFacts

if TYPE_CHECKING:
    from graphmorph.oracle import Oracle

Dimension = int | str | None

#: The operators of these domains mean what the ONNX specification says.
STANDARD_DOMAINS = (None, "", "ai.onnx")


@dataclass(frozen=True, slots=True)
class Reader:
    """One use of a tensor: `node.inputs[index]`."""

    node: gs.Node
    index: int


def subgraphs(node: gs.Node) -> Iterable[gs.Graph]:
    """All graphs inside a node's attributes, however deep. Few nodes have any, and gs takes long to say so."""
    for value in node.attrs.values():
        if isinstance(value, gs.Graph):
            return cast("Iterable[gs.Graph]", node.subgraphs(recursive=True))
    return ()


class Facts:
    """An index of one graph, linear to build. Keys are tensor names; a node is known by its first output.

    `shapes` gives what shape inference knows; it stays valid while tensors keep their names. `kept` holds the first
    outputs of nodes that the user asked to leave alone.
    """

    def __init__(
        self,
        graph: Graph,
        shapes: Callable[[], Mapping[str, TensorFacts]] | None = None,
        kept: frozenset[str] = frozenset(),
        oracle: Oracle | None = None,
    ) -> None:
        self.graph = graph
        self._infer = shapes or dict
        self.kept = kept
        self.oracle = oracle
        self.tensors: dict[str, gs.Tensor] = {t.name: t for t in (*graph.inputs, *graph.outputs)}
        self.opset = int(graph.opset) if graph.opset is not None else 1
        self.overridable = frozenset(graph.record.defaults) if graph.record is not None else frozenset()
        self.overridden = {(f.domain or "", f.name) for f in graph.functions}
        self.readers: dict[str, list[Reader]] = defaultdict(list)
        self.producer: dict[str, gs.Node] = {}
        self.outputs = {tensor.name for tensor in graph.outputs}
        self._shape_read = graph.traced.shape_read if graph.traced is not None else frozenset()
        self.captured: set[str] = set()
        self._index()
        self.order = self._topological()

    @property
    def training(self) -> bool:
        """Whether the graph is that of a torch module in training mode."""
        return self.graph.traced is not None and self.graph.traced.training

    def is_part(self, node: gs.Node) -> bool:
        """Whether a node is one of several that one call of a traced torch module became."""
        site = self.graph.traced.site_of.get(node.name) if self.graph.traced is not None else None
        return site is not None and len(site.nodes) > 1

    def specialised(self, node: gs.Node) -> str | None:
        """Why a node that was lowered from torch holds for the traced sizes only, or None where it holds for all."""
        traced = self.graph.traced
        return None if traced is None or not node.outputs else traced.specialised.get(node.outputs[0].name)

    def sizes_read(self, node: gs.Node) -> Mapping[int, frozenset[int]]:
        """The inputs of which a node that was not understood reads but sizes, and of which axes."""
        return {} if self.graph.traced is None else self.graph.traced.sizes_read.get(node.name, {})

    @cached_property
    def shapes(self) -> Mapping[str, TensorFacts]:
        """Element types and shapes by tensor name, inferred when they are first asked for."""
        return self._infer()

    def _index(self) -> None:
        for node in self.graph.nodes:
            for index, tensor in enumerate(node.inputs):
                if tensor.name:
                    self.readers[tensor.name].append(Reader(node, index))
                    self.tensors[tensor.name] = tensor
            for tensor in node.outputs:
                if tensor.name:
                    self.producer[tensor.name] = node
                    self.tensors[tensor.name] = tensor
            for subgraph in subgraphs(node):
                self._capture(subgraph)

    def _capture(self, subgraph: gs.Graph) -> None:
        """Every name that a subgraph reads, or puts out, may be ours: all of them count as used elsewhere."""
        self.captured.update(t.name for node in subgraph.nodes for t in node.inputs)
        self.captured.update(t.name for t in subgraph.outputs)

    def _topological(self) -> list[gs.Node]:
        """Nodes with every producer before its readers; the file's own order wherever that already holds."""
        nodes = self.graph.nodes
        place = {name: index for index, node in enumerate(nodes) for t in node.outputs if (name := t.name)}
        reads = [self._reads(node) for node in nodes]
        if all(place.get(name, -1) < index for index, names in enumerate(reads) for name in names):
            return list(nodes)
        makers = [{place[name] for name in names if name in place} for names in reads]
        waiting = [len(made) for made in makers]
        users: dict[int, list[int]] = defaultdict(list)
        for index, made in enumerate(makers):
            for maker in made:
                users[maker].append(index)
        ready = [index for index, count in enumerate(waiting) if count == 0]
        heapify(ready)
        order: list[gs.Node] = []
        while ready:
            index = heappop(ready)
            order.append(nodes[index])
            for user in users[index]:
                waiting[user] -= 1
                if waiting[user] == 0:
                    heappush(ready, user)
        if len(order) < len(nodes):
            stuck = next(node for index, node in enumerate(nodes) if waiting[index] > 0)
            raise GraphError(f"the graph has a cycle at or before node {stuck.name or stuck.op}")
        return order

    def _reads(self, node: gs.Node) -> list[str]:
        names = [t.name for t in node.inputs]
        for subgraph in subgraphs(node):
            names.extend(t.name for inner in subgraph.nodes for t in inner.inputs)
            names.extend(t.name for t in subgraph.outputs)
        return names

    def is_standard(self, node: gs.Node) -> bool:
        """Whether the node's operator is ONNX's own, not a custom one or a function of the model."""
        return node.domain in STANDARD_DOMAINS and ("", node.op) not in self.overridden

    def is_pinned(self, name: str) -> bool:
        """Whether somebody besides the graph's nodes reads the tensor: an output, a subgraph, or the Python code of a
        traced module, which reads its shape."""
        return name in self.outputs or name in self.captured or name in self._shape_read

    def constant(self, tensor: gs.Tensor) -> bool:
        return isinstance(tensor, gs.Constant)

    def variable(self, tensor: gs.Tensor) -> str:
        """The name of a tensor that is not constant, and how to make it so where the user can."""
        if tensor.name in self.overridable:
            return f"{tensor.name} is an initializer that callers may override; --freeze-initializers makes it constant"
        return str(tensor.name)

    def value(self, tensor: gs.Tensor) -> NDArray[np.float64]:
        """A floating-point constant in float64, in its own shape."""
        return np.asarray(constant_array(tensor), dtype=np.float64)

    def integers(self, tensor: gs.Tensor) -> list[int]:
        return [int(value) for value in np.asarray(constant_array(tensor)).reshape(-1)]

    def shape(self, tensor: gs.Tensor) -> tuple[Dimension, ...] | None:
        """Dimensions as int, symbol, or None; None as a whole where not even the rank is known."""
        if isinstance(tensor, gs.Constant):
            return tuple(int(n) for n in tensor.shape)
        known = self.shapes.get(tensor.name)
        return known.shape if known is not None else None

    def dtype(self, tensor: gs.Tensor) -> int | None:
        """The element type as ONNX numbers it, or None."""
        known = self.shapes.get(tensor.name)
        return known.dtype if known is not None else None

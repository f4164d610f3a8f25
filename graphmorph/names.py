"""Fresh names that no node or tensor of a graph has, its subgraphs and functions included."""

from __future__ import annotations

import onnx_graphsurgeon as gs


class NameAllocator:
    """Knows every name in use; hands out new ones and never the same twice."""

    def __init__(self, graph: gs.Graph) -> None:
        self._used: set[str] = set()
        self._collect(graph)

    def _collect(self, graph: gs.Graph) -> None:
        self._used.update(t.name for t in (*graph.inputs, *graph.outputs))
        for node in graph.nodes:
            self._used.add(node.name)
            self._used.update(t.name for t in (*node.inputs, *node.outputs))
            for subgraph in node.subgraphs():
                self._collect(subgraph)

    def fresh(self, wanted: str) -> str:
        """`wanted`, or it with the first number that makes it new."""
        name, count = wanted, 1
        while name in self._used:
            count += 1
            name = f"{wanted}_{count}"
        self._used.add(name)
        return name

    def release(self, name: str) -> None:
        """Give a name back when what bore it is gone, so that a replacement can take it over."""
        self._used.discard(name)

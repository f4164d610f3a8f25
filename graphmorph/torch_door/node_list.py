"""An fx graph as a plain list that pickle can write, and back; nothing is traced again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import fx

#: Where functions are looked for by name: some of torch's are local functions, which pickle cannot find.
_HOMES = (
    "torch.nn.functional",
    "torch",
    "torch._C._nn",
    "torch.special",
    "torch.linalg",
    "operator",
    "builtins",
    "math",
)


@dataclass(frozen=True)
class NodeReference:
    """Stands for the node at a place of the list."""

    place: int


@dataclass(frozen=True)
class FunctionReference:
    """A function by module and name."""

    module: str
    name: str

    def find(self) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(sys.modules[self.module], self.name)
        return function


def listed_nodes(graph: fx.Graph) -> list[tuple[Any, ...]]:
    """(op, name, target, args, kwargs, type, whether fx.wrap knows the function) of every node."""
    places = {node: place for place, node in enumerate(graph.nodes)}

    def refer(node: fx.Node) -> Any:
        return NodeReference(places[node])

    return [
        (
            node.op,
            node.name,
            _reference(node.target),
            fx.map_arg(node.args, refer),
            fx.map_arg(node.kwargs, refer),
            node.type,
            bool(node.meta.get("is_wrapped")),
        )
        for node in graph.nodes
    ]


def graph_of(nodes: list[tuple[Any, ...]]) -> fx.Graph:
    """The graph that a list was made of."""
    graph = fx.Graph()
    made: list[fx.Node] = []
    for op, name, target, args, kwargs, kind, wrapped in nodes:
        found = target.find() if isinstance(target, FunctionReference) else target
        made.append(graph.create_node(op, found, _resolved(args, made), _resolved(kwargs, made), name, kind))
        if wrapped:
            made[-1].meta["is_wrapped"] = True
    return graph


def copied_graph(graph: fx.Graph) -> fx.Graph:
    """A graph with nodes of its own, of the same names."""
    copied = fx.Graph()
    made: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        made[node] = copied.node_copy(node, lambda n: made[n])
    return copied


def _reference(target: Any) -> Any:
    if isinstance(target, str):
        return target
    name = getattr(target, "__name__", "")
    for home in (*_HOMES, getattr(target, "__module__", None)):
        if home in sys.modules and getattr(sys.modules[home], name, None) is target:
            return FunctionReference(home, name)
    return target


def _resolved(value: Any, made: list[fx.Node]) -> Any:
    if isinstance(value, NodeReference):
        return made[value.place]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_resolved(item, made) for item in value))
    if isinstance(value, tuple | list):
        return (
            tuple(_resolved(i, made) for i in value)
            if isinstance(value, tuple)
            else [_resolved(i, made) for i in value]
        )
    if isinstance(value, dict):
        return {key: _resolved(item, made) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(*(_resolved(item, made) for item in (value.start, value.stop, value.step)))
    return value

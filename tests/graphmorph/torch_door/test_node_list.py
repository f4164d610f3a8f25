"""An fx graph as a list: the same nodes, by name, whatever their arguments hold."""

from __future__ import annotations

import operator
import pickle
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import fx, nn

from graphmorph.torch_door.node_list import copied_graph, graph_of, listed_nodes


class Pair(NamedTuple):
    first: Any
    second: Any


def crowded() -> fx.Graph:
    graph = fx.Graph()
    x = graph.placeholder("x", torch.Tensor)
    flag = graph.placeholder("flag", default_value=None)
    pool = graph.call_function(F.max_pool2d, (x, 2), {"stride": None})
    size = graph.call_method("size", (x, 0))
    cut = graph.call_function(operator.getitem, (pool, (slice(None, size), Ellipsis, slice(0, None, 2))))
    weight = graph.get_attr("layer.weight")
    joined = graph.call_function(torch.cat, ([cut, cut],), {"dim": -1})
    layer = graph.call_module("layer", (joined,))
    typed = graph.call_method("to", (layer, torch.float64))
    graph.call_function(torch._assert, (flag, "text"))
    graph.output({"a": typed, "b": [weight, (size, 3.5)], "c": Pair(x, {"d": pool})})
    return graph


def described(graph: fx.Graph) -> list[tuple[Any, ...]]:
    def name(node: fx.Node) -> str:
        return f"<{node.name}>"

    return [
        (n.op, n.name, n.target, repr(fx.map_arg(n.args, name)), repr(fx.map_arg(n.kwargs, name)), n.type)
        for n in graph.nodes
    ]


def pickled(graph: fx.Graph) -> fx.Graph:
    return graph_of(pickle.loads(pickle.dumps(listed_nodes(graph))))


@pytest.mark.parametrize("copied", [copied_graph, pickled], ids=lambda f: f.__name__)
def test_the_same_nodes_come_back(copied: Any) -> None:
    graph = crowded()
    again = copied(graph)
    again.lint()
    assert described(again) == described(graph)
    assert not set(again.nodes) & set(graph.nodes)
    assert str(again.python_code("self").src) == str(graph.python_code("self").src)


FUNCTIONS = (
    F.max_pool2d,
    F.adaptive_max_pool2d,
    F.interpolate,
    F.gelu,
    F.scaled_dot_product_attention,
    F.avg_pool2d,
    torch.relu,
    torch.einsum,
    torch.fft.fft2,
    torch.special.erf,
    torch.linalg.norm,
    torch._assert,
    torch.fx._symbolic_trace._assert_is_none,
    operator.iadd,
    getattr,
    len,
    nn.functional.dropout,
)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_functions_are_found_again(function: Any) -> None:
    graph = fx.Graph()
    x = graph.placeholder("x")
    graph.output(graph.call_function(function, (x,)))
    node = next(n for n in pickled(graph).nodes if n.op == "call_function")
    assert node.target is function

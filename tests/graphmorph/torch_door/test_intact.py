"""Which sites count as untouched: those whose every node, attribute, constant and reader is as it was."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_graphsurgeon as gs
import pytest
import torch
from torch import nn

from graphmorph.graph import Graph
from graphmorph.torch_door import materialise, trace
from graphmorph.torch_door.intact import intact_sites
from tests.graphmorph.torch_door.edits import insert_behind, node_of, replace_constant, values_of
from tests.graphmorph.torch_door.identity_law import assert_same_state, same
from tests.graphmorph.torch_door.programs import SmallNet, images, program, rows


@pytest.fixture
def graph() -> Graph:
    return trace(SmallNet().eval(), images())


def broken(graph: Graph) -> set[str]:
    """Names of the first nodes of the sites that are not intact."""
    intact = {site.site.order for site in intact_sites(graph, graph.traced)}
    return {site.nodes[0].name for site in graph.traced.sites if site.order not in intact}


def harmless(graph: Graph) -> dict[str, Callable[[], object]]:
    def read() -> None:
        for tensor in graph.tensors().values():
            if isinstance(tensor, gs.Constant):
                tensor.values  # noqa: B018

    def reverse() -> None:
        graph.nodes.reverse()

    def add_beside() -> None:
        extra = gs.Variable("extra", np.float32)
        graph.nodes.append(gs.Node("Neg", "beside", {}, [node_of(graph, "second").outputs[0]], [extra]))

    return {
        "toposort": graph.toposort,
        "cleanup": graph.cleanup,
        "read": read,
        "reverse": reverse,
        "add_beside": add_beside,
    }


@pytest.mark.parametrize("name", ["toposort", "cleanup", "read", "reverse", "add_beside"])
def test_what_is_not_an_edit_leaves_everything_intact(graph: Graph, name: str) -> None:
    harmless(graph)[name]()
    assert broken(graph) == set()
    assert broken(graph.copy()) == set()
    assert_same_state(graph.traced.root, materialise(graph))


def attribute(graph: Graph) -> None:
    node_of(graph, "second").attrs["group"] = 2


def constant(graph: Graph) -> None:
    node = node_of(graph, "second")
    replace_constant(graph, node, 1, values_of(node, 1))


def assigned_values(graph: Graph) -> None:
    node = node_of(graph, "second")
    node.inputs[1].values = np.zeros_like(values_of(node, 1))


def operator(graph: Graph) -> None:
    node_of(graph, "second").op = "Other"


def fewer_inputs(graph: Graph) -> None:
    node_of(graph, "second").inputs.pop()


def duplicated(graph: Graph) -> None:
    node = node_of(graph, "second")
    graph.nodes.append(
        gs.Node("Conv", "second", dict(node.attrs), list(node.inputs), [gs.Variable("twin", np.float32)])
    )


@pytest.mark.parametrize(
    "edit", [attribute, constant, assigned_values, operator, fewer_inputs, duplicated], ids=lambda f: f.__name__
)
def test_an_edit_is_seen(graph: Graph, edit: Callable[[Graph], None]) -> None:
    edit(graph)
    assert broken(graph) == {"second"}
    assert broken(graph.copy()) == {"second"}


def test_values_assigned_to_a_constant_are_followed(graph: Graph) -> None:
    assigned_values(graph)
    again = materialise(graph)
    assert again.second.weight.abs().sum() == 0
    assert graph.traced.root.second.weight.abs().sum() > 0


def test_a_reader_of_an_inner_tensor_breaks_the_site() -> None:
    module = program(lambda m, x: m.layer(x) * 2, layer=nn.Linear(6, 4))
    x = torch.randn(2, 3, 6)
    graph = trace(module, x)
    product = next(node for node in graph.nodes if node.op == "MatMul")
    extra = gs.Variable("extra", np.float32)
    graph.nodes.append(gs.Node("Neg", "peek", {}, [product.outputs[0]], [extra]))
    assert broken(graph) == {product.name}
    graph.outputs = [graph.outputs[0]]
    torch.testing.assert_close(materialise(graph)(x), module(x))


def test_a_renamed_input_leaves_the_site_intact() -> None:
    module = program(lambda m, x: m.b(m.a(x)), a=nn.Linear(6, 6), b=nn.Linear(6, 6))
    graph = trace(module, rows())
    insert_behind(graph, node_of(graph, "a").outputs[0], [("Tanh", "gate", {}, [])])
    assert broken(graph) == set()
    again = materialise(graph)
    assert again.b is module.b
    same(again(rows()), module.b(torch.tanh(module.a(rows()))))

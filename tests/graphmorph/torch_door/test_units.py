"""The order of the result is that of the program: random draws, side effects, and writes after their readers."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import pytest
import torch
from torch import nn

from graphmorph.errors import MaterialiseError
from graphmorph.torch_door import materialise, trace
from tests.graphmorph.torch_door.edits import insert_behind, node_of
from tests.graphmorph.torch_door.identity_law import assert_same_results, same
from tests.graphmorph.torch_door.programs import program, rows


def late_dropout_first(m: Any, x: Any) -> Any:
    deep = m.drop(m.a(m.b(m.a(m.b(x)))))
    return deep + m.drop(x) + torch.randn_like(x)


def module_of(function: Any) -> nn.Module:
    torch.manual_seed(0)
    layers = {"a": nn.Linear(6, 6), "b": nn.Linear(6, 6), "drop": nn.Dropout(), "act": nn.ReLU(inplace=True)}
    module = program(function, **layers)
    module.register_buffer("count", torch.zeros(()))
    return module


@pytest.mark.parametrize("seed", range(3))
def test_random_draws_come_in_the_programs_order(seed: int) -> None:
    module = module_of(late_dropout_first).train()
    graph = trace(module, rows())
    graph.toposort()
    random.Random(seed).shuffle(graph.nodes)
    assert_same_results(copy.deepcopy(module), copy.deepcopy(materialise(graph)), rows())


def reads_and_counts(m: Any, x: Any) -> Any:
    before = x * m.count
    m.count.add_(1)
    between = x * m.count
    m.count.mul_(2)
    return before, between, x + m.count


@pytest.mark.parametrize("seed", range(3))
def test_side_effects_come_in_the_programs_order(seed: int) -> None:
    module = module_of(reads_and_counts)
    graph = trace(module, rows())
    graph.cleanup().toposort()
    random.Random(seed).shuffle(graph.nodes)
    reference = copy.deepcopy(module)
    again = materialise(graph)
    for _ in range(2):
        for one, other in zip(reference(rows()), again(rows()), strict=True):
            same(one, other)
    assert module.count == reference.count == 6


def test_a_side_effect_outlives_cleanup_though_nobody_reads_it() -> None:
    def forward(m: Any, x: Any) -> Any:
        m.count.add_(1)
        return x * 2

    module = module_of(forward)
    graph = trace(module, rows())
    graph.cleanup()
    materialise(graph)(rows())
    assert module.count == 1


def write_behind_a_reader(m: Any, x: Any) -> Any:
    y = m.a(x)
    late = m.b(y)
    return m.act(y) + late


def test_a_write_waits_for_a_new_reader() -> None:
    """Somebody else now reads what is written into: through whatever order, it sees the value before the write."""
    module = module_of(write_behind_a_reader)
    y = module.a(rows()).detach()
    expected = torch.relu(y) + module.b(y) - torch.sigmoid(y)
    graph = trace(module, rows())
    total = node_of(graph, "add")
    gate, out = gs.Variable("gate", np.float32), gs.Variable("out", np.float32)
    graph.nodes.append(gs.Node("Sigmoid", "late.gate", {}, [node_of(graph, "a").outputs[0]], [gate]))
    graph.nodes.append(gs.Node("Sub", "late.sub", {}, [total.outputs[0], gate], [out]))
    graph.outputs = [out]
    torch.testing.assert_close(materialise(graph)(rows()), expected)
    same(module.a(rows()).detach(), y)


def test_a_write_into_what_may_be_a_view_of_something_else_is_on_a_copy() -> None:
    module = module_of(lambda m, x: m.act(m.a(x) * 1.0) + x)
    graph = trace(module, rows())
    first = node_of(graph, "a")
    alias = gs.Variable("alias", np.float32)
    product = node_of(graph, "mul")
    for node in graph.nodes:
        for index, tensor in enumerate(node.inputs):
            if tensor is product.outputs[0]:
                node.inputs[index] = alias
    graph.nodes.append(gs.Node("Identity", "alias", {}, [graph.inputs[0]], [alias]))
    x = rows()
    same(materialise(graph)(x), torch.relu(rows()) + rows())
    same(x, rows())
    assert first.op == "Gemm"


def test_a_cycle_is_refused() -> None:
    graph = trace(module_of(lambda m, x: m.b(m.a(x)) * 2), rows())
    a, b = node_of(graph, "a"), node_of(graph, "b")
    a.inputs[0] = b.outputs[0]
    with pytest.raises(MaterialiseError, match="cycle"):
        materialise(graph)


def test_a_tensor_that_nothing_gives_is_named() -> None:
    graph = trace(module_of(lambda m, x: m.b(m.a(x)) * 2), rows())
    node_of(graph, "b").inputs[0] = gs.Variable("lost", np.float32)
    with pytest.raises(MaterialiseError, match="lost"):
        materialise(graph)


def test_a_tensor_whose_size_is_still_read_cannot_go() -> None:
    def forward(m: Any, x: Any) -> Any:
        y = m.a(x)
        return x.view(y.size(0), 2, -1)

    module = module_of(forward)
    graph = trace(module, rows())
    graph.nodes = [node for node in graph.nodes if node.name != "a"]
    with pytest.raises(MaterialiseError, match="its shape"):
        materialise(graph)


def test_new_nodes_come_right_behind_what_they_read() -> None:
    module = module_of(lambda m, x: m.drop(m.a(x)) + m.drop(m.b(x)))
    graph = trace(module, rows())
    insert_behind(graph, node_of(graph, "a").outputs[0], [("Sigmoid", "gate", {}, [])])
    called = [node.name for node in materialise(graph).graph.nodes]
    assert called.index("gate") == called.index("a") + 1

"""Traced graphs cut by hand, as removing channels cuts them, and held against onnxruntime."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import torch
from torch import nn
from torch.utils import _pytree as pytree

from graphmorph.graph import Graph, constant_array
from graphmorph.torch_door import materialise, trace
from graphmorph.torch_door.morphed_module import MorphedModule
from tests.graphmorph.torch_door.edits import node_of, values_of
from tests.graphmorph.torch_door.lowering_check import run_lowered

Cut = Callable[[Graph], None]
Inputs = tuple[torch.Tensor, ...]


def replace(graph: Graph, node: gs.Node, index: int, values: np.ndarray) -> None:
    """Give a node a new constant that was made of its old one."""
    old = node.inputs[index]
    name = f"{old.name}.cut{len(graph.origins)}"
    graph.origins[name] = (old.name,)
    node.inputs[index] = gs.Constant(name, np.ascontiguousarray(values).astype(values_of(node, index).dtype))


def take(graph: Graph, name: str, index: int, axis: int, kept: Sequence[int]) -> None:
    """Keep some entries of a constant of a node along an axis."""
    node = node_of(graph, name)
    replace(graph, node, index, np.take(values_of(node, index), list(kept), axis))


def write(graph: Graph, name: str, index: int, place: int, value: int) -> None:
    """Give one entry of a shape operand of a node another value."""
    node = node_of(graph, name)
    values = np.array(values_of(node, index))
    values[place] = value
    replace(graph, node, index, values)


def settle_sizes(graph: Graph, inputs: Inputs) -> None:
    """Find the sizes of all tensors by running the graph, and note those that are others than before."""
    probed = graph.copy()
    tensors = {t.name: t for node in probed.nodes for t in node.outputs if t.name}
    probed.outputs = list(tensors.values())
    for tensor in tensors.values():
        tensor.shape = None
    found = dict(zip(tensors, run_lowered(probed, *inputs), strict=True))
    for node in graph.nodes:
        for tensor in node.outputs:
            if tensor.name:
                _settle(graph, tensor, found[tensor.name].shape)


def _settle(graph: Graph, tensor: gs.Tensor, sizes: tuple[int, ...]) -> None:
    shape = [new if isinstance(old, int) else old for old, new in zip(tensor.shape, sizes, strict=True)]
    if shape != list(tensor.shape):
        tensor.shape = shape
        graph.resized[tensor.name] = tuple(shape)


def cut_graph(module: nn.Module, cut: Cut, inputs: Inputs) -> Graph:
    """The graph of a module, cut."""
    graph = trace(module, inputs)
    cut(graph)
    settle_sizes(graph, inputs)
    return graph


def tripled(inputs: Inputs) -> Inputs:
    """Inputs of three times the batch."""
    return tuple(torch.cat([t, t.flip(0) * 0.5, -t]) for t in inputs)


def check_cut(
    module: nn.Module, cut: Cut, inputs: Inputs, *others: Inputs, names: bool = True, batch: bool = True
) -> MorphedModule:
    """Materialise a cut graph, and compare it with onnxruntime, on other inputs too.

    For each the module is traced and cut anew: what runs in onnxruntime was made for its sizes. names: state_dict has
    the names that it had, in their order. batch: it runs with three times the batch.
    """
    graph = cut_graph(module, cut, inputs)
    again = materialise(graph)
    for given in (inputs, *([tripled(inputs)] if batch else []), *others):
        compare(again, cut_graph(module, cut, given), given)
    compare(copy.deepcopy(again), graph, inputs)
    if names:
        assert list(again.state_dict()) == list(module.state_dict())
    assert all(m.training == module.training for m in again.modules())
    return again


def compare(module: nn.Module, graph: Graph, inputs: Inputs) -> None:
    """A module gives what a graph gives in onnxruntime."""
    with torch.no_grad(), warnings.catch_warnings():
        got = [t for t in pytree.tree_leaves(module(*copy.deepcopy(inputs))) if isinstance(t, torch.Tensor)]
    expected = run_lowered(graph, *inputs)
    assert any(np.abs(one).max() > 1e-3 for one in expected)
    for one, other in zip(got, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one.numpy(), other, rtol=2e-5, atol=2e-5 * max(1e-3, float(np.abs(other).max())))


def trains(module: nn.Module, *inputs: torch.Tensor) -> None:
    """A step of training reaches every parameter."""
    module.train()
    optimizer = torch.optim.SGD(module.parameters(), 0.01)
    outputs = [t for t in pytree.tree_leaves(module(*inputs)) if isinstance(t, torch.Tensor)]
    sum(t.square().sum() for t in outputs).backward()
    optimizer.step()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in module.parameters() if p.requires_grad)


def targets(module: MorphedModule) -> list[Any]:
    """What a module calls, in order: functions by name."""
    calls = [node.target for node in module.graph.nodes if node.op.startswith("call")]
    return [one if isinstance(one, str) else one.__name__ for one in calls]


def constants_of(graph: Graph, name: str) -> list[np.ndarray]:
    """The constants that a node reads."""
    return [constant_array(t) for t in node_of(graph, name).inputs if isinstance(t, gs.Constant)]

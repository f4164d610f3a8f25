"""A module whose tensors a pass replaced: the same class with the same settings, and the new tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import pytest
import torch
from torch import nn

from graphmorph.graph import Graph, constant_array
from graphmorph.torch_door import materialise, trace


def traced(module: nn.Module, *sizes: int, training: bool = False) -> Graph:
    """The graph of a sequence of this module alone."""
    return trace(nn.Sequential(module).train(training), (torch.randn(sizes),))


def node_of(graph: Graph, op: str) -> gs.Node:
    return next(node for node in graph.nodes if node.op == op)


def halve(graph: Graph, op: str, *indices: int) -> None:
    """Keep the first half of some inputs of the node of this operator, along their first axis."""
    node = node_of(graph, op)
    for index in indices:
        array = constant_array(node.inputs[index])
        node.inputs[index] = gs.Constant(f"half_{index}", array[: array.shape[0] // 2].copy())
    node.outputs[0].shape = None


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(4, 6, 3, padding=(1, 2), stride=2),
        nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(4, 6, 3, padding="same", bias=False),
        nn.Conv1d(4, 6, 3, dilation=2),
    ],
)
def test_convolutions(module: Any) -> None:
    module.remark = "kept"
    x = torch.randn(2, 4, *[8] * (module.weight.dim() - 2))
    graph, expected = traced(module, *x.shape), module(x)[:, :3]
    halve(graph, "Conv", *((1, 2) if module.bias is not None else (1,)))
    made = materialise(graph)
    again = next(one for one in made.modules() if type(one) is type(module))
    assert again.out_channels == 3
    torch.testing.assert_close(made(x), expected)
    if module.padding_mode == "zeros":
        assert made.get_submodule("0") is again
        assert again.remark == "kept"
    else:
        assert again.padding_mode == "zeros"  # the pads are a node of their own


def test_linear() -> None:
    module, x = nn.Linear(4, 6), torch.randn(3, 4)
    graph = traced(module, 3, 4)
    node_of(graph, "Gemm").inputs[2] = gs.Constant("zero", np.zeros(6, np.float32))
    made = materialise(graph)
    torch.testing.assert_close(made(x), x @ module.weight.T)
    assert made.get_submodule("0").weight is module.weight


def test_linear_of_many_axes() -> None:
    module, x = nn.Linear(4, 6), torch.randn(3, 2, 4)
    graph = traced(module, 3, 2, 4)
    node = node_of(graph, "Add")
    index = next(i for i, tensor in enumerate(node.inputs) if isinstance(tensor, gs.Constant))
    node.inputs[index] = gs.Constant("zero", np.zeros(6, np.float32))
    made = materialise(graph)
    torch.testing.assert_close(made(x), x @ module.weight.T)
    assert [type(one) for one in made.children()] == [nn.Linear]


@pytest.mark.parametrize("momentum", [0.3, None])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_keeps_its_settings_and_its_mode(momentum: float | None, training: bool) -> None:
    module = nn.BatchNorm2d(4, momentum=momentum)
    module.num_batches_tracked.fill_(5)
    graph = traced(module, 2, 4, 3, 3, training=training)
    node_of(graph, "BatchNormalization").inputs[1] = gs.Constant("scale", np.full(4, 2, np.float32))
    again: Any = materialise(graph).get_submodule("0")
    assert (again.momentum, again.training, int(again.num_batches_tracked)) == (momentum, training, 5)
    assert again.weight.tolist() == [2.0] * 4
    assert again.running_mean is module.running_mean


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_without_parameters_and_statistics_stays_so(training: bool) -> None:
    """Fewer channels, as pruning leaves them: the graph has ones and zeros for what the module does not have."""
    module = nn.BatchNorm1d(4, affine=False, track_running_stats=False)
    graph, x = traced(module, 6, 4, training=training), torch.randn(6, 2)
    halve(graph, "BatchNormalization", 1, 2, 3, 4)
    made = materialise(graph)
    assert (dict(made.named_parameters()), dict(made.named_buffers())) == ({}, {})
    torch.testing.assert_close(made(x), (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt())


def test_batch_norm_that_gains_parameters() -> None:
    module = nn.BatchNorm1d(4, affine=False)
    graph, x = traced(module, 6, 4), torch.randn(6, 4)
    node_of(graph, "BatchNormalization").inputs[2] = gs.Constant("offset", np.full(4, 3, np.float32))
    made = materialise(graph)
    assert sorted(dict(made.named_parameters())) == ["0.bias", "0.weight"]
    torch.testing.assert_close(made(x), module.eval()(x) + 3)


def test_embedding() -> None:
    module = nn.Embedding(7, 4, padding_idx=2)
    graph = trace(nn.Sequential(module), (torch.tensor([[0, 1]]),))
    node = node_of(graph, "Gather")
    node.inputs[0] = gs.Constant("table", constant_array(node.inputs[0])[:, :2].copy())
    again: Any = materialise(graph).get_submodule("0")
    assert (type(again), again.embedding_dim, again.padding_idx) == (nn.Embedding, 2, 2)
    torch.testing.assert_close(again(torch.tensor([3])), module(torch.tensor([3]))[:, :2])

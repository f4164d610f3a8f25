"""What lowering tests share: the lowered graph, run by onnxruntime, gives what torch gives."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import nn
from torch.utils import _pytree as pytree

from graphmorph.graph import Graph
from graphmorph.onnx_door import to_model
from graphmorph.torch_door import materialise, trace
from graphmorph.torch_door.record import DOMAIN


def opaque_reasons(graph: Graph) -> list[str]:
    """Why nodes of a traced graph are opaque."""
    return [str(node.attrs["reason"]) for node in graph.nodes if node.domain == DOMAIN]


def run_lowered(graph: Graph, *inputs: torch.Tensor) -> list[np.ndarray]:
    """Outputs of a lowered graph in onnxruntime, optimizations off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        to_model(graph).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feeds = {given.name: tensor.numpy() for given, tensor in zip(session.get_inputs(), inputs, strict=True)}
    return list(session.run(None, feeds))


def check_lowering(
    module: nn.Module,
    *inputs: torch.Tensor,
    tolerance: float = 2e-5,
    other_batch: bool = True,
    allow_opaque: bool = False,
    **options: Any,
) -> Graph:
    """Trace a module, compare its lowering with torch, and check that it materialises to itself, bit for bit.

    The comparison is made on the inputs, and, unless other_batch is False, with 3 times the batch as well. The error
    may be `tolerance` times the size of the output. Returns the graph.
    """
    module.eval()
    graph = trace(module, inputs, **options)
    if not allow_opaque:
        assert opaque_reasons(graph) == []
        _compare(module, graph, inputs, tolerance)
        if other_batch:
            _compare(module, graph, tuple(torch.cat([t, t, t]) for t in inputs), tolerance)
    again = materialise(graph)
    expected, got = (pytree.tree_leaves(m(*copy.deepcopy(inputs))) for m in (module, again))
    for one, other in zip(expected, got, strict=True):
        if isinstance(one, torch.Tensor):
            assert one.dtype == other.dtype
            assert torch.equal(torch.nan_to_num(one), torch.nan_to_num(other))
    assert list(again.state_dict()) == list(module.state_dict())
    return graph


def _compare(module: nn.Module, graph: Graph, inputs: tuple[torch.Tensor, ...], tolerance: float) -> None:
    with torch.no_grad():
        outputs = [t for t in pytree.tree_leaves(module(*copy.deepcopy(inputs))) if isinstance(t, torch.Tensor)]
    for one, other in zip(outputs, run_lowered(graph, *inputs), strict=True):
        expected = one.numpy()
        assert expected.shape == other.shape
        assert expected.dtype == other.dtype
        if expected.dtype.kind == "f":
            scale = max(1e-3, float(np.abs(np.nan_to_num(expected, posinf=0, neginf=0)).max(initial=0.0)))
            np.testing.assert_allclose(other, expected, rtol=tolerance, atol=tolerance * scale)
        else:
            np.testing.assert_array_equal(other, expected)

"""The laws on random modules: the round trip is the identity, and an edited graph becomes what it says."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import pytest
import torch
from hypothesis import HealthCheck, assume, event, given, reject, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils import _pytree as pytree

from graphmorph.errors import MaterialiseError
from graphmorph.graph import Graph
from graphmorph.torch_door import materialise, trace
from tests.graphmorph.torch_door.edits import insert_behind
from tests.graphmorph.torch_door.identity_law import assert_same_state, assert_same_tree, round_trip, same
from tests.graphmorph.torch_door.lowering_check import opaque_reasons, run_lowered
from tests.graphmorph.torch_door.random_modules import LOWERED, RandomModule, Step, steps

_OPTIONS: dict[str, Any] = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


def images(batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 4, 6, 6, generator=torch.Generator().manual_seed(batch))


def results(module: nn.Module, x: torch.Tensor) -> Any:
    """Outputs, buffers, the input and gradients after a call; or that autograd refuses the module's own writes."""
    torch.manual_seed(0)
    x = x.clone()
    output = module(x)
    losses = [leaf.double().sum() for leaf in pytree.tree_leaves(output) if getattr(leaf, "requires_grad", False)]
    gradients: Any = None
    if losses:
        try:
            torch.stack(losses).sum().backward()
            gradients = [p.grad for _, p in sorted(module.named_parameters())]
        except RuntimeError:
            gradients = "refused"
    detached = pytree.tree_map(lambda leaf: leaf.detach() if isinstance(leaf, torch.Tensor) else leaf, output)
    module.zero_grad()
    return detached, [b for _, b in sorted(module.named_buffers())], x, gradients


@settings(max_examples=40, **_OPTIONS)
@given(plan=steps(), shape=st.sampled_from(["tuple", "dict", "one"]), train=st.booleans())
def test_the_round_trip_is_the_identity(plan: list[Step], shape: str, train: bool) -> None:
    module = RandomModule(plan, shape).train(train)
    again = round_trip(module, images())
    assert_same_state(module, again)
    for x in (images(), images(3)):
        reference = copy.deepcopy(module)
        copied = copy.deepcopy(again)
        try:
            expected = results(reference, x)
        except RuntimeError:
            reject()  # autograd allows no write into some views
        assert_same_tree(expected, results(copied, x))
    assert_same_tree(results(copy.deepcopy(module), images()), results(again, images()))


def _doubled(graph: Graph, node: gs.Node, place: int) -> None:
    half = gs.Constant(f"half_{place}", np.asarray(0.5, np.float32))
    insert_behind(graph, node.outputs[0], [("Mul", f"{node.name}.halved_{place}", {}, [half])])


def _bypassed(graph: Graph, node: gs.Node, place: int) -> None:
    for reader in graph.nodes:
        for index, tensor in enumerate(reader.inputs):
            if tensor is node.outputs[0]:
                reader.inputs[index] = node.inputs[0]
    node.inputs, node.outputs = [], []
    graph.nodes = [one for one in graph.nodes if one is not node]


def _substituted(graph: Graph, node: gs.Node, place: int) -> None:
    source, output = node.inputs[0], node.outputs[0]
    node.inputs, node.outputs = [], []
    fresh = gs.Node("Sigmoid", f"sigmoid_{place}", {}, [source], [output])
    graph.nodes = [fresh if one is node else one for one in graph.nodes]


def _one_reader_halved(graph: Graph, node: gs.Node, place: int) -> None:
    readers = [one for one in graph.nodes if any(t is node.outputs[0] for t in one.inputs)]
    if not readers:
        return
    reader = readers[place % len(readers)]
    output = gs.Variable(f"one_{place}", np.float32)
    half = gs.Constant(f"half_one_{place}", np.asarray(0.5, np.float32))
    graph.nodes.append(gs.Node("Mul", f"one_reader_{place}", {}, [node.outputs[0], half], [output]))
    reader.inputs = [output if t is node.outputs[0] else t for t in reader.inputs]


def _edit(graph: Graph, kind: str, place: int) -> None:
    """One edit at a node that takes a tensor and gives one of the same shape."""
    outputs = {t.name for t in graph.outputs}
    nodes = [n for n in graph.nodes if len(n.outputs) == 1 and n.outputs[0].name not in outputs]
    if kind == "bypassed":
        nodes = [n for n in nodes if n.outputs[0].name not in graph.traced.shape_read]
    if kind in ("bypassed", "substituted"):
        nodes = [n for n in nodes if n.op in ("Relu", "Identity", "Dropout", "BatchNormalization", "HardSwish", "Neg")]
    nodes = [n for n in nodes if n.outputs[0].dtype == np.float32 and not isinstance(n.inputs[0], gs.Constant)]
    if nodes:
        edit = {"doubled": _doubled, "bypassed": _bypassed, "substituted": _substituted, "one": _one_reader_halved}[
            kind
        ]
        edit(graph, nodes[place % len(nodes)], place)


EDITS = st.lists(
    st.tuples(st.sampled_from(["doubled", "bypassed", "substituted", "one"]), st.integers(0, 40)),
    min_size=1,
    max_size=3,
)


@settings(max_examples=80, **_OPTIONS)
@given(plan=steps(LOWERED), edits=EDITS)
def test_an_edited_graph_becomes_what_it_says(plan: list[Step], edits: list[tuple[str, int]]) -> None:
    """onnxruntime runs the edited graph; the module that it becomes computes the same, whatever is written in place."""
    module = RandomModule(plan, "distinct").eval()
    graph = trace(module, images())
    assume(not opaque_reasons(graph))
    for number, (kind, place) in enumerate(edits):
        _edit(graph, kind, place + 100 * number)
    graph.toposort()
    expected = run_lowered(graph, images())[:3]
    try:
        again = materialise(graph)
    except MaterialiseError as error:
        assert "in place" in str(error)  # noqa: PT017 - refusing is right, being wrong is not
        event("refused")
        return
    x = images()
    with torch.no_grad():
        got = again(x)
    for one, other in zip(expected, got, strict=True):
        np.testing.assert_allclose(other.numpy(), one, rtol=1e-4, atol=1e-4 * max(1.0, float(np.abs(one).max())))
    assert_unedited_layers_are_the_same(module, again)


def assert_unedited_layers_are_the_same(module: nn.Module, again: nn.Module) -> None:
    ours = dict(module.named_modules())
    for path, layer in again.named_modules():
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d):
            assert layer is ours[path]


def test_results_tell_a_difference() -> None:
    """The comparison above is not blind."""
    module = RandomModule([("conv", 0, 0), ("norm", 0, 0), ("dropout", 0, 0)]).train()
    other = copy.deepcopy(module)
    with torch.no_grad():
        other.blocks[0]["layer"].weight.mul_(1.001)
    with pytest.raises(AssertionError):
        assert_same_tree(results(module, images()), results(other, images()))
    same(images(), images())

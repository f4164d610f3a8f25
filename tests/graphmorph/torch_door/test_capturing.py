"""Capturing from traced modules, against forward hooks and plain torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from graphmorph.activations.capture import capture
from graphmorph.activations.moments import CrossMoments, Moments
from graphmorph.activations.row_stream import RowStream
from graphmorph.activations.rows import ChannelRows, PatchRows
from graphmorph.errors import UsageError
from graphmorph.torch_door import trace


class Net(nn.Module):
    """A branch, a mode, a constant made in forward, and a functional call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Conv2d(6, 4, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = torch.relu(self.norm(self.conv(x))) + torch.ones(1)
        return self.head(self.drop(inner)).mean((2, 3))


def batches(count: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, 9, 8, generator=generator) for _ in range(count)]


def name_of(graph: object, op: str) -> tuple[str, str]:
    """Names of what the first node of an operator reads and gives."""
    node = next(node for node in graph.nodes if node.op == op)  # type: ignore[attr-defined]
    return node.inputs[0].name, node.outputs[0].name


def test_sums_are_those_of_what_the_layers_see() -> None:
    torch.manual_seed(0)
    net = Net().eval()
    graph = trace(net, batches(1)[0])
    read, given = (node for node in graph.nodes if node.op == "Conv")
    sums = CrossMoments(54, 4)
    stream = RowStream(sums, (PatchRows((3, 3), (2, 2)), ChannelRows()))
    plain = Moments(6)
    count = capture(
        graph,
        {(given.inputs[0].name, given.outputs[0].name): stream, read.outputs[0].name: RowStream(plain)},
        batches(),
    )
    assert count == 3
    with torch.no_grad():
        x = torch.cat(batches())
        first = net.conv(x)
        inner = torch.relu(net.norm(first)) + 1
        patches = nn.functional.unfold(inner, 3, stride=2).permute(0, 2, 1).reshape(-1, 54).double().numpy()
        outputs = net.head(inner).permute(0, 2, 3, 1).reshape(-1, 4).double().numpy()
    np.testing.assert_allclose(sums.inputs.gram, patches.T @ patches, rtol=1e-5)
    np.testing.assert_allclose(sums.cross, patches.T @ outputs, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(plain.mean, first.mean((0, 2, 3)).double().numpy(), rtol=1e-4, atol=1e-6)


def test_evaluation_mode_and_nothing_is_left_behind() -> None:
    torch.manual_seed(0)
    net = Net().train()
    net.norm.eval()
    graph = trace(net, batches(1)[0])
    net.norm.train()
    net.calls = []  # type: ignore[assignment]
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    sums = Moments(4)
    output = graph.outputs[0].name
    capture(graph, {output: RowStream(sums)}, batches())
    with torch.no_grad():
        expected = net.eval()(torch.cat(batches()))
    np.testing.assert_allclose(sums.total, expected.sum(0).double().numpy(), rtol=1e-4)
    net.train()
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_data_in_every_form(tmp_path: Path) -> None:
    net = Net().eval()
    graph = trace(net, batches(1)[0])
    name = graph.outputs[0].name
    arrays = torch.cat(batches()).numpy()
    np.savez(tmp_path / "data.npz", x=arrays)

    def lazily() -> Iterator[tuple[torch.Tensor]]:
        yield from ((one,) for one in batches())

    found = []
    for data in (batches(), lazily(), [{"x": one} for one in batches()], {"x": arrays}, tmp_path / "data.npz"):
        sums = Moments(4)
        capture(graph, {name: RowStream(sums)}, data, batch=2)  # type: ignore[arg-type]
        assert sums.count == 6
        found.append(sums.total)
    for total in found[1:]:
        np.testing.assert_allclose(total, found[0], rtol=1e-6)


class InPlace(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        y.add_(1)
        y[:, 0] = 0
        return torch.relu_(y) - 1


def test_writes_in_place_are_versions() -> None:
    """Every version of the tensor is heard with the values that it had."""
    x = torch.tensor([[1.0, -3.0]])
    graph = trace(InPlace().eval(), x)
    assert graph.traced is not None
    rebound = [fresh for site in graph.traced.sites for fresh, _ in site.rebinds]
    given = [names[0] for names in graph.traced.values_given.values() if names]
    names = list(dict.fromkeys([*given, *rebound]))
    streams = {name: RowStream(Moments(2)) for name in names}
    pair = CrossMoments(2, 2)
    first = next(name for node, names in graph.traced.values_given.items() if node.name == "mul" for name in names)
    together = RowStream(pair, (ChannelRows(), ChannelRows()))
    capture(graph, {**streams, (first, graph.outputs[0].name): together}, [x])
    values = {tuple(stream.sums.total) for stream in streams.values()}
    assert values == {(1.0, -3.0), (2.0, -6.0), (3.0, -5.0), (0.0, -5.0), (0.0, 0.0), (-1.0, -1.0)}
    assert pair.inputs.total.tolist() == [2.0, -6.0]
    assert x.tolist() == [[1.0, -3.0]]


def test_what_is_refused() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.SiLU()).eval()
    graph = trace(net, torch.ones(2, 3))
    assert graph.traced is not None
    stream = RowStream(Moments(4))
    with pytest.raises(UsageError, match="has no tensor nowhere"):
        capture(graph, {"nowhere": stream}, [torch.ones(2, 3)])
    site = next(site for site in graph.traced.sites if len(site.nodes) > 1)
    inner = site.nodes[0].outputs[0]
    with pytest.raises(UsageError, match=rf"{inner} exists only inside call_module"):
        capture(graph, {inner: stream}, [torch.ones(2, 3)])
    name = graph.outputs[0].name
    with pytest.raises(UsageError, match="no sample"):
        capture(graph, {name: stream}, [])
    with pytest.raises(UsageError, match="do not fit"):
        capture(graph, {name: stream}, [{"y": torch.ones(2, 3)}])
    with pytest.raises(UsageError, match=f"tensor {name}: .* NaN"):
        capture(graph, {name: stream}, [torch.full((2, 3), float("nan"))])

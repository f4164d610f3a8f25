"""What calls that are carried through read of tensors: all of them, or the sizes of some axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphmorph.torch_door import trace
from graphmorph.torch_door.record import DOMAIN
from tests.graphmorph.torch_door.programs import images, program

CASES: dict[str, tuple[Callable[[Tensor], Any], dict[str, list[int]]]] = {
    "one size": (lambda x: x.shape[2], {"conv": [2]}),
    "a size that is asked for": (lambda x: x.size(-1), {"conv": [3]}),
    "a slice of sizes": (lambda x: x.shape[-2:][0], {"conv": [2]}),
    "unpacked sizes": (lambda x: list(x.shape)[1], {"conv": [1]}),
    "arithmetic": (lambda x: x.shape[2] * x.size(3) + 1, {"conv": [2, 3]}),
    "several tensors": (lambda x: x.shape[2] + x.relu().shape[3], {"conv": [2], "relu": [3]}),
    "the number of elements": (lambda x: x.numel(), {"conv": [0, 1, 2, 3]}),
    "the rank": (lambda x: x.dim() + 3, {}),
}


@pytest.mark.parametrize("name", CASES)
def test_sizes_that_an_opaque_call_reads(name: str) -> None:
    number, expected = CASES[name]

    def forward(m: Any, x: Tensor) -> Tensor:
        y = m.conv(x)
        return y.mean() + torch.hamming_window(number(y)).sum()

    graph = trace(program(forward, conv=nn.Conv2d(4, 6, 3)), images())
    (node,) = (node for node in graph.nodes if node.domain == DOMAIN)
    assert graph.traced is not None
    read = graph.traced.sizes_read[node.name]
    assert {node.inputs[index].name: sorted(axes) for index, axes in read.items()} == expected


def test_a_tensor_that_is_an_argument_is_read_as_a_whole() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        return torch.bucketize(m.conv(x), torch.hamming_window(x.shape[2])).float()

    graph = trace(program(forward, conv=nn.Conv2d(4, 6, 3)), images())
    node = next(node for node in graph.nodes if node.attrs.get("target") == "bucketize")
    assert graph.traced is not None
    assert graph.traced.sizes_read[node.name] == {}


def test_a_tensor_of_the_same_kind_reads_no_size() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        y = m.conv(x)
        return y + y.new_zeros((y.shape[2], 1))

    graph = trace(program(forward, conv=nn.Conv2d(4, 6, 3)), images())
    (node,) = (node for node in graph.nodes if node.domain == DOMAIN)
    assert graph.traced is not None
    assert {node.inputs[index].name: axes for index, axes in graph.traced.sizes_read[node.name].items()} == {
        "conv": {2}
    }


def test_a_device_is_no_size() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        y = m.conv(x)
        return y.mean() + torch.hamming_window(5, device=y.device).sum()

    graph = trace(program(forward, conv=nn.Conv2d(4, 6, 3)), images())
    (node,) = (node for node in graph.nodes if node.domain == DOMAIN)
    assert graph.traced is not None
    assert graph.traced.sizes_read[node.name] == {0: frozenset()}

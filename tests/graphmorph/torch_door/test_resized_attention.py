"""Attention whose heads, or whose heads' sizes, were cut: scales stay what they were, batch and length stay free."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.graph import Graph
from tests.graphmorph.torch_door.cutting import check_cut, replace, take, targets, trains, write
from tests.graphmorph.torch_door.edits import nodes_of, values_of
from tests.graphmorph.torch_door.programs import program

WIDTH, HEADS, SIZE = 12, 3, 4
OF_HEADS = [0, 2]  # heads that stay
OF_SIZES = [0, 1, 3]  # elements of every head that stay


def tokens(batch: int = 2, length: int = 5, seed: int = 0) -> torch.Tensor:
    """(batch, length, WIDTH)"""
    return torch.randn(batch, length, WIDTH, generator=torch.Generator().manual_seed(seed))


def fused(m: Any, q: Any, k: Any, v: Any) -> Any:
    return F.scaled_dot_product_attention(q, k, v)


def by_hand(m: Any, q: Any, k: Any, v: Any) -> Any:
    return ((q * m.scale) @ k.transpose(-2, -1)).softmax(-1) @ v


def computed(m: Any, q: Any, k: Any, v: Any) -> Any:
    return (q @ k.transpose(-2, -1) / math.sqrt(SIZE) * (q.size(-1) ** 0.5 / 2)).softmax(-1) @ v


def from_shape(m: Any, q: Any, k: Any, v: Any) -> Any:
    return (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1) @ v


def attention(inside: Any) -> nn.Module:
    def forward(m: Any, x: Any) -> Any:
        batch, length, width = x.shape
        qkv = m.qkv(x).reshape(batch, length, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        joined = inside(m, q, k, v).transpose(1, 2).reshape(batch, length, width)
        return m.proj(joined)

    torch.manual_seed(0)
    return program(forward, qkv=nn.Linear(WIDTH, 3 * WIDTH), proj=nn.Linear(WIDTH, WIDTH), scale=SIZE**-0.5)


def cut_to(heads: list[int], sizes: list[int]) -> Any:
    """Keep some heads, and some elements of every head."""
    inner = [SIZE * head + element for head in heads for element in sizes]
    rows = [WIDTH * third + row for third in range(3) for row in inner]

    def cut(graph: Graph) -> None:
        take(graph, "qkv", 1, 1, rows)
        take(graph, "qkv_add", 1, 0, rows)
        apart, together = nodes_of(graph, "Reshape")
        write(graph, apart.name, 1, 3, len(heads))
        write(graph, apart.name, 1, 4, len(sizes))
        write(graph, together.name, 1, 2, len(inner))
        take(graph, "proj", 1, 0, inner)

    return cut


CUTS = {"heads": (OF_HEADS, range(SIZE)), "sizes": (range(HEADS), OF_SIZES)}


@pytest.mark.parametrize("inside", [fused, by_hand, computed, from_shape])
@pytest.mark.parametrize("kind", CUTS)
def test_attention(inside: Any, kind: str) -> None:
    heads, sizes = CUTS[kind]
    module = attention(inside)
    again = check_cut(module, cut_to(list(heads), list(sizes)), (tokens(),), (tokens(1, 9),))
    assert again.qkv.out_features == 3 * len(heads) * len(sizes)
    if inside is fused:
        assert "scaled_dot_product_attention" in targets(again)
        scales = [node.kwargs.get("scale") for node in again.graph.nodes if node.kwargs]
        assert scales == ([] if kind == "heads" else [0.5])
    trains(again, tokens())


def randomised(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)
    return module.eval()


def multihead(**options: Any) -> nn.Module:
    return randomised(
        program(
            lambda m, x: m.last(m.attend(y := m.first(x), y, y, need_weights=False)[0]),
            first=nn.Linear(WIDTH, WIDTH),
            attend=nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, **options),
            last=nn.Linear(WIDTH, 3),
        )
    )


def cut_multihead(graph: Graph, heads: list[int], sizes: list[int], width: list[int]) -> None:
    inner = [SIZE * head + element for head in heads for element in sizes]
    rows = [WIDTH * third + row for third in range(3) for row in inner]
    if len(width) < WIDTH:
        take(graph, "first", 1, 1, width)
        take(graph, "first_add", 1, 0, width)
        take(graph, "last", 1, 0, width)
    inside = [node for node in graph.nodes if node.name.startswith("attend")]
    products = [node for node in inside if node.op == "MatMul" and values_known(node)]
    biases = [node for node in inside if node.op == "Add"]
    take(graph, products[0].name, 1, 0, width)
    take(graph, products[0].name, 1, 1, rows)
    take(graph, biases[0].name, 1, 0, rows)
    split = next(node for node in inside if node.op == "Split")
    replace(graph, split, 1, np.full(3, len(inner)))
    reshapes = [node for node in inside if node.op == "Reshape"]
    for node in reshapes:
        last = len(values_of(node, 1)) == 3
        target = [0, 0, len(inner)] if last else [0, 0, len(heads), len(sizes)]
        replace(graph, node, 1, np.asarray(target))
    take(graph, products[1].name, 1, 0, inner)
    take(graph, products[1].name, 1, 1, width)
    take(graph, biases[1].name, 1, 0, width)


def values_known(node: Any) -> bool:
    return any(hasattr(tensor, "values") for tensor in node.inputs)


def test_multihead_attention_of_another_width() -> None:
    """Width and heads go together: it is a MultiheadAttention again, with all its names."""
    width = [0, 1, 3, 4, 6, 7, 9, 10]
    module = multihead()

    def cut(graph: Graph) -> None:
        cut_multihead(graph, OF_HEADS, list(range(SIZE)), width)

    again = check_cut(module, cut, (tokens(),), (tokens(3, 7),))
    made = again.attend
    assert type(made) is nn.MultiheadAttention
    assert (made.embed_dim, made.num_heads, made.head_dim, made.out_proj.in_features) == (8, 2, 4, 8)
    assert made.out_proj is not module.attend.out_proj
    assert module.attend.out_proj.in_features == WIDTH
    trains(again, tokens())


@pytest.mark.parametrize("kind", CUTS)
def test_multihead_attention_that_torch_cannot_say(kind: str) -> None:
    """Heads that are narrower together than the query: the nodes are translated one by one."""
    heads, sizes = CUTS[kind]

    def cut(graph: Graph) -> None:
        cut_multihead(graph, list(heads), list(sizes), list(range(WIDTH)))

    module = multihead()
    again = check_cut(module, cut, (tokens(),), (tokens(3, 7),), names=False)
    assert not any(isinstance(m, nn.MultiheadAttention) for m in again.modules())
    assert {name for name in again.state_dict() if name.startswith("attend")} == {
        f"attend.{layer}.{kind}" for layer in ("in_proj", "out_proj") for kind in ("weight", "bias")
    }
    assert type(module.attend.out_proj) is not nn.Linear
    trains(again, tokens())


def test_untouched_attention_between_cut_layers() -> None:
    module = randomised(
        program(
            lambda m, x: m.last(torch.relu(m.first(m.attend(x, x, x)[0]))),
            attend=nn.MultiheadAttention(WIDTH, HEADS, batch_first=True),
            first=nn.Linear(WIDTH, 8),
            last=nn.Linear(8, 3),
        )
    )

    def cut(graph: Graph) -> None:
        take(graph, "first", 1, 1, [1, 3])
        take(graph, "first_add", 1, 0, [1, 3])
        take(graph, "last", 1, 0, [1, 3])

    again = check_cut(module, cut, (tokens(),), (tokens(1, 9),))
    assert again.attend is module.attend

"""Scaled dot-product attention: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.graphmorph.torch_door.calling import check_call, operators, refused, specialised
from tests.graphmorph.torch_door.rules.test_layer_norm import drawn

attention = F.scaled_dot_product_attention


def three(*sizes, keys=None):
    """Query, key and value; keys: another length."""
    others = (*sizes[:-2], keys or sizes[-2], sizes[-1])
    return drawn(*sizes), drawn(*others) * 2, drawn(*others).flip(-1)


@pytest.mark.parametrize("sizes", [(2, 3, 4, 8), (2, 5, 8), (5, 8)])
@pytest.mark.parametrize("keys", [None, 7])
def test_plain_attention(sizes, keys):
    graph = check_call(attention, *three(*sizes, keys=keys), other_batch=len(sizes) > 2)
    assert "Softmax" in operators(graph)
    assert specialised(graph)  # by its default scale


def test_a_given_scale_holds_for_every_size():
    graph = check_call(lambda q, k, v: attention(q, k, v, scale=0.3), *three(2, 3, 4, 8))
    assert operators(graph) == ["Transpose", "MatMul", "Mul", "Softmax", "MatMul"]
    assert not specialised(graph)


@pytest.mark.parametrize("keys", [None, 3, 7])
def test_causal_attention(keys):
    graph = check_call(lambda q, k, v: attention(q, k, v, is_causal=True, scale=1.0), *three(2, 3, 4, 8, keys=keys))
    assert specialised(graph)


def test_a_scale_of_the_traced_size_is_specialised():
    graph = check_call(lambda q, k, v: attention(q, k, v, scale=q.size(-1) ** -0.5), *three(2, 3, 4, 8))
    assert specialised(graph)


def masks():
    allowed = torch.rand(4, 7, generator=torch.Generator().manual_seed(0)) < 0.5
    allowed[0], allowed[1] = True, False  # a row without a key: torch gives zeros
    floating = torch.zeros(4, 7).masked_fill(~allowed, -torch.inf)
    return [allowed, floating, drawn(4, 7), allowed[None, None].expand(2, 3, 4, 7), drawn(1, 7)]


@pytest.mark.parametrize("mask", masks())
def test_masks(mask):
    check_call(lambda q, k, v: attention(q, k, v, mask), *three(2, 3, 4, 8, keys=7), other_batch=mask.ndim == 2)


def test_a_mask_that_is_computed():
    def function(q, k, v):
        return attention(query=q, key=k, value=v, attn_mask=k[:, :, None, :, 0] > 0, scale=0.5)

    check_call(function, *three(2, 3, 4, 8, keys=7))


def test_grouped_queries():
    q, (_, k, v) = drawn(2, 6, 4, 8), three(2, 3, 4, 8, keys=7)
    graph = check_call(lambda q, k, v: attention(q, k, v, enable_gqa=True), q, k, v)
    assert operators(graph).count("Gather") == 2
    same = check_call(lambda q, k, v: attention(q, k, v, enable_gqa=True), *three(2, 3, 4, 8))
    assert "Gather" not in operators(same)


def test_dropout_is_refused():
    reason = refused(lambda q, k, v: attention(q, k, v, None, 0.1), *three(2, 3, 4, 8))
    assert reason == "attention with dropout of 0.1"


def test_double_precision():
    check_call(attention, *(t.double() for t in three(2, 3, 4, 8)), tolerance=1e-12)

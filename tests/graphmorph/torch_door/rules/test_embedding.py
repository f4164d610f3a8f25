"""Embeddings: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door import trace
from tests.graphmorph.torch_door.calling import check_call, operators
from tests.graphmorph.torch_door.lowering_check import check_lowering, opaque_reasons

NUMBERS = torch.tensor([[0, 3, 1], [2, 2, 0]])


def test_embedding():
    for numbers in (NUMBERS, NUMBERS.int(), NUMBERS[0]):
        assert operators(check_lowering(nn.Embedding(4, 5, padding_idx=2), numbers)) == ["Gather"]


def test_function():
    check_call(
        lambda k, w: F.embedding(k, w) + F.embedding(k, weight=w, padding_idx=1),
        NUMBERS,
        torch.randn(4, 5),
        other_batch=False,
    )


def test_one_hot():
    check_call(lambda k: (F.one_hot(k, 5), F.one_hot(k, num_classes=4)), NUMBERS)


def test_a_table_that_is_renormalised_stays_opaque():
    reasons = opaque_reasons(trace(nn.Embedding(4, 5, max_norm=1.0), NUMBERS))
    assert any("max_norm" in reason for reason in reasons)

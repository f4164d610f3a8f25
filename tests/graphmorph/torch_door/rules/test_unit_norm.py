"""Local response norm and F.normalize: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.graphmorph.torch_door.calling import check_call, operators, refused
from tests.graphmorph.torch_door.rules.test_layer_norm import drawn


@pytest.mark.parametrize("sizes", [(2, 6, 7), (2, 6, 3, 4)])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_local_response_norm(sizes, size):
    module = nn.LocalResponseNorm(size, alpha=0.5, beta=0.6, k=1.5)
    assert "LRN" in operators(check_call(module, drawn(*sizes) * 2))


def test_local_response_norm_function():
    check_call(lambda x: F.local_response_norm(x, 3, k=2.0), drawn(2, 6, 3, 4) * 5)


def test_an_even_window_of_channels_is_refused():
    assert "even" in refused(lambda x: F.local_response_norm(x, 4), drawn(2, 6, 3, 4))


def test_local_response_norm_of_volumes_is_refused():
    assert "rank 5" in refused(lambda x: F.local_response_norm(x, 3), drawn(2, 6, 3, 4, 2))


@pytest.mark.parametrize("p", [1, 2.0, math.inf])
@pytest.mark.parametrize("dim", [1, 2, -1])
def test_normalize(p, dim):
    x = drawn(2, 6, 3, 4)
    x[0, :, :, 0] = 0
    check_call(lambda x: F.normalize(x, p, dim), x)


def test_normalize_with_a_large_epsilon():
    check_call(lambda x: F.normalize(x, eps=3.0), drawn(2, 6, 3))
    check_call(lambda x: F.normalize(input=x, p=2, dim=0, eps=0.1), torch.eye(3) * 4, other_batch=False)


def test_other_orders_are_refused():
    assert "order 3" in refused(lambda x: F.normalize(x, 3.0), drawn(2, 6))

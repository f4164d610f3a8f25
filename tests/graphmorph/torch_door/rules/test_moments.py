"""Variances and norms: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import math

import pytest
import torch

from tests.graphmorph.torch_door.calling import check_call, refused, specialised
from tests.graphmorph.torch_door.rules.test_arithmetic import reals

X = reals(2, 6, 5, 3)


@pytest.mark.parametrize("name", ["var", "std"])
def test_variance(name):
    function = getattr(torch, name)
    check_call(
        lambda x: (
            function(x, 1),
            function(x, (2, 3), keepdim=True),
            function(x, dim=1, correction=0),
            function(x, [1, 2], unbiased=False),
            getattr(x, name)(-1, False, True),
            getattr(x, name)((1, -1), correction=2),
            function(x, False),
        ),
        X,
    )


def test_with_the_mean():
    check_call(lambda x: (torch.var_mean(x, 1), torch.std_mean(x, (2, 3), unbiased=False, keepdim=True)), X)


def test_a_correction_counts_the_traced_elements():
    assert specialised(check_call(lambda x: x.var(1), X))
    assert not specialised(check_call(lambda x: x.var(1, unbiased=False), X))


@pytest.mark.parametrize("p", [1, 2, 2.0, math.inf, -math.inf])
def test_norms(p):
    check_call(
        lambda x: (
            torch.norm(x, p, 1),
            x.norm(p, (2, 3), True),
            torch.linalg.vector_norm(x, p, dim=-1),
            torch.linalg.norm(x, p, 2, keepdim=True),
        ),
        X,
    )


def test_norms_without_an_order():
    check_call(
        lambda x: (x.norm(), torch.norm(x, dim=1), torch.linalg.norm(x), torch.linalg.vector_norm(x, dim=(1, 2))), X
    )


def test_what_is_not_exact_is_refused():
    assert "over the batch" in refused(lambda x: x.var(), X)
    assert "order 3" in refused(lambda x: x.norm(3), X)
    assert "matrix norm" in refused(lambda x: torch.linalg.norm(x, "fro", (2, 3)), X)

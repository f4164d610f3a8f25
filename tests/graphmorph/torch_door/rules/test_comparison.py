"""Comparisons, logic and choices: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import operator

import pytest
import torch

from tests.graphmorph.torch_door.calling import check_call
from tests.graphmorph.torch_door.rules.test_arithmetic import integers, reals

X, Y, K = reals(2, 3, 4).round(), reals(2, 3, 4, seed=1).round(), integers(2, 3, 4)


@pytest.mark.parametrize("name", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparisons(name):
    compare = getattr(operator, name)
    check_call(
        lambda x, y: (compare(x, y), getattr(torch, name)(x, y), getattr(x, name)(y), compare(x, 1), compare(0.5, y)),
        X,
        Y,
    )


@pytest.mark.parametrize("name", ["not_equal", "less", "less_equal", "greater", "greater_equal"])
def test_long_names(name):
    check_call(lambda x, y: (getattr(torch, name)(x, y), getattr(x, name)(2)), X, Y)


def test_integers_are_compared_with_real_numbers_as_such():
    check_call(lambda k: (k > 0.5, k <= 1.5, k == 2.0, k != 2), K)
    check_call(lambda k, x: (k < x, k == x), K, X)


def test_truth_values():
    check_call(lambda x, y: ((x > 0) == (y > 0), (x > 0) != (y > 0), (x > 0) < (y > 0), (x > 0) >= (y > 0)), X, Y)


def test_logic():
    check_call(
        lambda x, y: (
            torch.logical_and(x, y),
            torch.logical_or(x > 0, y),
            torch.logical_xor(x, y),
            torch.logical_not(x),
            (x > 0) & (y > 0),
            (x > 0) | (y > 0),
            (x > 0) ^ (y > 0),
            ~(x > 0),
        ),
        X,
        Y,
    )


def test_bits():
    check_call(lambda k: (k & 5, k | 3, k ^ 6, ~k, torch.bitwise_and(k, k + 1), k.bitwise_or(k * 2)), K)


def test_not_a_number_and_infinity():
    x = torch.tensor([[1.0, float("nan")], [float("inf"), -float("inf")]])
    check_call(lambda x: (torch.isnan(x), x.isinf(), x.isnan()), x)


def test_choices():
    check_call(
        lambda x, y: (
            torch.where(x > 0, x, y),
            torch.where(x > 0, 1.0, y),
            torch.where(x > 0, x, 0),
            torch.where(x > 0, 1, 0),
            torch.where(y > 0, 2.5, 1),
            x.where(y > 0, 3),
            torch.where(x > 0, x, y.double()),
        ),
        X,
        Y,
    )


def test_masks():
    check_call(
        lambda x, y: (
            x.masked_fill(y > 0, -float("inf")),
            torch.masked_fill(x, mask=y[:, :1] > 0, value=2),
            (x + 1).masked_fill_(y == 0, 0.0),
            x.masked_fill(y > 0, torch.tensor(3.0)),
        ),
        X,
        Y,
    )

"""Functions of one tensor: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import pytest
import torch

from tests.graphmorph.torch_door.calling import check_call, refused
from tests.graphmorph.torch_door.rules.test_arithmetic import reals

NAMES = (
    *(
        "neg",
        "negative",
        "abs",
        "absolute",
        "sign",
        "exp",
        "exp2",
        "sin",
        "cos",
        "tan",
        "atan",
        "sinh",
        "cosh",
        "asinh",
    ),
    *("erf", "reciprocal", "square", "round", "floor", "ceil", "trunc", "fix", "frac", "sigmoid", "tanh", "positive"),
)

POSITIVE = ("sqrt", "rsqrt", "log", "log2", "log10")


@pytest.mark.parametrize("name", NAMES)
def test_functions_and_methods(name):
    check_call(lambda x: (getattr(torch, name)(x), getattr(x, name)()), reals(2, 3, 7))


@pytest.mark.parametrize("name", POSITIVE)
def test_functions_of_positive_numbers(name):
    check_call(lambda x: (getattr(torch, name)(x), getattr(x, name)()), reals(2, 3, 7).abs() + 0.1)


@pytest.mark.parametrize("name", ["asin", "acos", "atanh"])
def test_functions_of_small_numbers(name):
    check_call(lambda x: getattr(torch, name)(x), reals(2, 3, 7).clamp(-0.9, 0.9))


def test_acosh():
    check_call(torch.acosh, reals(2, 3, 7).abs() + 1)


@pytest.mark.parametrize(
    "name", ["neg", "abs", "exp", "sqrt", "square", "floor", "round", "sin", "trunc", "reciprocal"]
)
def test_methods_in_place(name):
    check_call(lambda x: getattr(x + 10, f"{name}_")(), reals(2, 3, 7))


def test_operators():
    check_call(lambda x: (-x, +x, ~(x > 0)), reals(2, 3))


def test_halves_are_rounded_to_even():
    check_call(torch.round, torch.tensor([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]]))


def test_what_is_not_exact_is_refused():
    assert "decimals" in refused(lambda x: torch.round(x, decimals=2), reals(2, 3))
    assert "no lowering rule" in refused(torch.expm1, reals(2, 3))
    assert "uint8" in refused(torch.neg, torch.ones(2, 3, dtype=torch.uint8))

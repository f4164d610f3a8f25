"""Sums, products, quotients, powers and bounds: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.graphmorph.torch_door.calling import check_call, operators, refused, specialised


def reals(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 3


def integers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.int64) -> Tensor:
    return torch.randint(-9, 10, shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


X, Y, K = reals(2, 3, 4), reals(2, 3, 4, seed=1), integers(2, 3, 4)

ONE: dict[str, Callable[[Tensor], Any]] = {
    "number on the right": lambda x: ((x + 1) * 2.5 - 3) / 7,
    "number on the left": lambda x: 2 - (1.5 + 3 * x),
    "number over": lambda x: 3 / x,
    "functions": lambda x: torch.add(torch.mul(torch.sub(torch.div(x, 3), 1), 2), 5),
    "methods": lambda x: x.add(1).mul(2).sub(3).div(4),
    "methods in place": lambda x: (x * 1).add_(1).mul_(2).sub_(3).div_(4),
    "other names": lambda x: torch.multiply(torch.subtract(x, 1), 2).divide(3).true_divide(4),
    "keywords": lambda x: torch.add(input=x, other=2, alpha=3),
    "numpy's keywords": lambda x: torch.mul(x, x2=x),
    "alpha": lambda x: torch.add(x, x.mT.mT, alpha=0.5) - torch.sub(x, x * 2, alpha=3) + x.add(1, alpha=2),
    "rsub": lambda x: torch.rsub(x, 2) + torch.rsub(x, x * 2, alpha=3),
    "truncated": lambda x: torch.div(x, 0.7, rounding_mode="trunc"),
    "floored by a power of two": lambda x: torch.div(x, 0.5, rounding_mode="floor") + x // 2,
    "remainders": lambda x: x % 0.7 + torch.remainder(x, -1.3) + 1.5 % (x + 20) + torch.fmod(x, 0.9),
    "powers": lambda x: x**2 + x.pow(3) + torch.pow(x, -1) + (x * x) ** 0.5 + 2**x + (1 + x * x) ** -0.5,
    "a real power": lambda x: (x * x + 1) ** 1.7,
    "clamp": lambda x: x.clamp(-1, 2) + torch.clamp(x, min=0.5) + x.clamp(max=0) + torch.clip(x, -2, 1.5),
    "clamp min and max": lambda x: x.clamp_min(0.5) + x.clamp_max(0.1) + torch.clamp_min(x, 0) + (x + 1).clamp_(0, 1),
    "clamp by a larger minimum": lambda x: x.clamp(2, -1),
    "clamp by tensors": lambda x: torch.clamp(x, x * 0.5, x * x) + x.clamp(min=-x),
    "lerp": lambda x: torch.lerp(x, x * x, 0.3) + x.lerp(x * 2, 0.8),
    "addcmul": lambda x: torch.addcmul(x, x, x, value=0.5) + torch.addcdiv(x, x, x * x + 1, value=2.0),
}


@pytest.mark.parametrize("name", ONE)
def test_of_one_tensor(name: str) -> None:
    check_call(ONE[name], X)


TWO: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "operators": lambda x, y: (x + y) * (x - y) / y,
    "in place": lambda x, y: operator.imul(operator.iadd(x * 1, y), y),
    "powers": lambda x, y: (x * x + 0.5) ** y,
    "extrema": lambda x, y: torch.minimum(x, y) * torch.maximum(x, y) + torch.max(x, y) - x.min(y),
    "extrema by keyword": lambda x, y: torch.max(x, other=y),
    "truncated": lambda x, y: torch.div(x, y, rounding_mode="trunc"),
    "remainder": lambda x, y: torch.remainder(x, y) + x.fmod(y),
    "broadcast": lambda x, y: x[:, :1] + y[:, :, :1] * y[:, 0, 0].view(-1, 1, 1),
}


@pytest.mark.parametrize("name", TWO)
def test_of_two_tensors(name: str) -> None:
    check_call(TWO[name], X, Y)


INTEGERS: dict[str, Callable[[Tensor], Any]] = {
    "with an int": lambda k: (k + 2) * 3 - 1,
    "with a float": lambda k: (k + 0.5, k * 2.5, 1.5 - k),
    "true division": lambda k: (k / 2, k / (k * k + 1), 3 / (k * k + 1)),
    "floored": lambda k: (k // 3, k // -3, torch.floor_divide(k, k * k + 1), k.div(-4, rounding_mode="floor")),
    "floored by negative ones": lambda k: (k // (-1 - k * k), 17 // (k * 2 + 1)),
    "truncated": lambda k: (torch.div(k, 4, rounding_mode="trunc"), torch.div(k, -4, rounding_mode="trunc")),
    "remainders": lambda k: (k % 4, k % -4, torch.remainder(k, k * 2 + 1), torch.fmod(k, 4), k.fmod(k * 2 + 1)),
    "powers": lambda k: (k**1, k**2, k.pow(3), k**2.0),
    "bounds": lambda k: (k.clamp(-2, 3), k.clamp(min=0.5)),
    "unchanged by rounding": lambda k: (k.floor(), k.ceil(), k.round(), k.trunc()),
    "of floating point": lambda k: (k.sqrt(), torch.exp(k), torch.sigmoid(k), k.sin()),
    "signs": lambda k: (-k, abs(k), k.sign(), torch.square(k)),
}


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.parametrize("name", INTEGERS)
def test_of_integers(name: str) -> None:
    check_call(INTEGERS[name], K)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.int64, torch.int32])
def test_operands_are_promoted_as_torch_does(dtype: torch.dtype) -> None:
    other = integers(2, 3, 4, seed=3).to(dtype)
    check_call(lambda x, y: (x + y, y * x, x / 2 + y, x > y), X, other, tolerance=2e-3)
    check_call(lambda x, y: (x * 1).add_(y), X, other)


def test_a_tensor_without_axes_is_weaker_than_one_with_axes() -> None:
    check_call(lambda x, y: x * y.sum().double() + y.mean().half(), X, Y, other_batch=False)


def test_truth_values_are_joined_and_met() -> None:
    check_call(lambda x, y: ((x > 0) + (y > 0), (x > 0) * (y > 0), (x > 0) + y, (x > 0) * 2), X, Y)


def test_what_is_infinite_or_no_number_stays_so() -> None:
    x = torch.tensor([[math.nan, math.inf, -math.inf, 0.3, -0.3]])
    check_call(lambda x: (x.clamp(min=0), x.clamp(max=0), x.clamp(-1, 1), torch.maximum(x, -x), x % 3, x**0.5), x)
    check_call(lambda x: (F.hardshrink(x), F.softshrink(x), F.relu6(x), F.leaky_relu(x), F.softplus(x)), x)


def test_a_number_of_the_batch_is_refused() -> None:
    assert "follows the size of the batch" in refused(lambda x: x * x.size(0), X)


def test_a_number_of_another_size_holds_for_the_traced_one() -> None:
    assert specialised(check_call(lambda x: x / x.size(1), X))
    assert not specialised(check_call(lambda x: x / 3, X))


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: x // 3, "no power of two"),
        (lambda x: torch.div(x, x, rounding_mode="floor"), "no power of two"),
        (lambda x: torch.lerp(x, x, x), "weight of lerp is a tensor"),
        (lambda x: torch.float_power(x, 2), "no lowering rule"),
    ],
)
def test_what_is_not_exact_is_refused(function: Callable[[Tensor], Any], reason: str) -> None:
    assert reason in refused(function, X)


def test_powers_of_integers_are_refused() -> None:
    assert "a power of integers" in refused(lambda k: k**4, K)


def test_division_of_floating_point_has_one_node() -> None:
    assert operators(check_call(lambda x, y: x / y, X, Y)) == ["Div"]

"""Reductions along axes: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.graphmorph.torch_door.calling import check_call, operators, refused
from tests.graphmorph.torch_door.rules.test_arithmetic import integers, reals

X, K = reals(2, 6, 5, 3), integers(2, 6, 5)

CALLS: dict[str, Callable[[Tensor], Any]] = {
    "mean": lambda x: (x.mean((2, 3)), x.mean([-1], keepdim=True), torch.mean(x, 1), x.mean(dim=(1, -2), keepdim=True)),
    "sum": lambda x: (x.sum(1), torch.sum(x, (2, 3), True), x.sum(dim=-1, keepdim=True), x.sum(axis=1, keepdims=True)),
    "of another type": lambda x: (x.mean(1, dtype=torch.float64), x.sum(1, dtype=torch.int32)),
    "prod": lambda x: (x.prod(1), torch.prod(x, dim=-1, keepdim=True)),
    "amax": lambda x: (x.amax(1), torch.amax(x, (2, 3), keepdim=True), x.amin(-1), torch.amin(x, dim=(1, 2))),
    "argmax": lambda x: (x.argmax(1), torch.argmax(x, -1, True), x.argmin(dim=2), torch.argmin(x, 1, keepdim=True)),
    "logsumexp": lambda x: (x.logsumexp(1), torch.logsumexp(x * 100, (2, 3), keepdim=True)),
    "cumsum": lambda x: (x.cumsum(1), torch.cumsum(x, dim=-1), x.cumsum(1, dtype=torch.float64)),
    "truth": lambda x: ((x > 0).all(1), torch.any(x > 2, -1, keepdim=True), (x > 0).any(dim=1), x.round().all(2)),
}


@pytest.mark.parametrize("name", CALLS)
def test_along_axes(name: str) -> None:
    check_call(CALLS[name], X)


@pytest.mark.parametrize(
    "name", ["mean", "sum", "prod", "amax", "amin", "max", "min", "argmax", "argmin", "all", "any"]
)
def test_of_all_elements(name: str) -> None:
    check_call(lambda x: (getattr(torch, name)(x), getattr(x, name)()), X, other_batch=name != "prod")


def test_values_and_places() -> None:
    check_call(lambda x: (x.max(1), torch.min(x, -1, True), x.max(dim=2).values, x.min(1)[1], torch.max(x, dim=3)), X)
    assert operators(check_call(lambda x: x.max(1), X)) == ["ReduceMax", "ArgMax"]


def test_the_first_of_equals_is_taken() -> None:
    check_call(lambda x: (x.max(1), x.argmax(1), x.argmin(2), x.min(-1)), X.sign())


def test_integers() -> None:
    check_call(
        lambda k: (
            k.sum(1),
            k.int().sum((1, 2)),
            (k > 0).sum(1),
            k.amax(1),
            k.max(1),
            k.cumsum(2),
            k.mean(1, dtype=torch.float32),
        ),
        K,
    )


def test_nothing_named_is_everything() -> None:
    check_call(lambda x: (x.sum(()), x.mean([]), x.amax(()), x.sum(None), torch.mean(x, None, True)), X)


def test_what_is_not_exact_is_refused() -> None:
    assert "rank 0" in refused(lambda x: x.sum(), torch.tensor(2.0))
    assert "keeps the axes" in refused(lambda x: x.argmax(keepdim=True), X)

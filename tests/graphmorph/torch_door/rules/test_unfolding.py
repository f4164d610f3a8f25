"""Tensor.unfold: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import Tensor

from tests.graphmorph.torch_door.calling import check_call, operators, refused, specialised
from tests.graphmorph.torch_door.rules.test_arithmetic import reals

X = reals(4, 6, 5, 7)
WINDOWS: dict[str, Callable[[Tensor], Any]] = {
    "overlapping": lambda x: x.unfold(2, 3, 1),
    "apart": lambda x: x.unfold(1, 2, 3),
    "of the last axis": lambda x: x.unfold(-1, 4, 2),
    "of two axes": lambda x: x.unfold(2, 3, 2).unfold(3, 3, 2),
    "of one element": lambda x: x.unfold(1, 1, 2),
    "of everything": lambda x: x.unfold(2, 5, 1),
    "of a size that is computed": lambda x: x.unfold(2, x.shape[2] - 1, 1),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_windows(name: str) -> None:
    assert specialised(check_call(WINDOWS[name], X))


def test_what_it_becomes() -> None:
    assert operators(check_call(lambda x: x.unfold(2, 3, 1), X)) == ["Gather", "Transpose"]
    assert operators(check_call(lambda x: x.unfold(3, 3, 1), X)) == ["Gather"]


def test_windows_along_the_batch_are_refused() -> None:
    assert refused(lambda x: x.unfold(0, 2, 1), X) == "windows along the batch"

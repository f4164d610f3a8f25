"""x[...] and its kin: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.graphmorph.torch_door.calling import check_call, operators, refused, specialised
from tests.graphmorph.torch_door.rules.test_arithmetic import reals

X = reals(4, 6, 5, 3)
PLACES = torch.tensor([[0, 2], [1, 1], [3, 0], [-1, 2]])

INDICES: dict[str, Callable[[Tensor], Any]] = {
    "int": lambda x: x[:, 0],
    "negative int": lambda x: x[:, -2],
    "of the batch": lambda x: x[1],
    "ints": lambda x: x[:, 2, -1, 0],
    "slices": lambda x: x[:, 1:4, :-1, 2:],
    "negative bounds": lambda x: x[:, -3:-1],
    "steps": lambda x: x[:, ::2, 1::3],
    "everything": lambda x: x[:],
    "nothing": lambda x: x[()],
    "ellipsis": lambda x: x[..., 1],
    "ellipsis between": lambda x: x[:, ..., ::2, 0],
    "ellipsis of nothing": lambda x: x[:, 1, ..., 2, 0],
    "new axes": lambda x: (x[None], x[:, None], x[..., None], x[:, 0, None, :, None, 1]),
    "mixed": lambda x: x[:, 1:3, None, ..., 0],
    "list": lambda x: x[:, [0, 3, 3]],
    "list among slices": lambda x: x[1:3, [0, -1], ::2, None],
    "of an empty part": lambda x: x[:, 3:3],
    "narrow": lambda x: (x.narrow(1, 2, 3), torch.narrow(x, 2, 0, 2), x.narrow(1, -2, 2), x.narrow(-3, -4, 2)),
    "select": lambda x: (x.select(1, 2), torch.select(x, dim=-1, index=-1)),
    "steps of the batch": lambda x: x[::2],
}


@pytest.mark.parametrize("name", INDICES)
def test_indices(name: str) -> None:
    assert not specialised(check_call(INDICES[name], X))


INDICES_BY_TENSOR: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "alone": lambda x, i: x[i],
    "among slices": lambda x, i: x[1:, :, i],
    "beside ints": lambda x, i: x[:, 1, i, 0],
    "between ints and new axes": lambda x, i: x[:, None, 2, i[:, 0], None],
    "of one number": lambda x, i: x[:, i[0, 1]],
    "int32": lambda x, i: x[:, i.int()],
    "index_select": lambda x, i: (x.index_select(2, i[:, 0].abs()), torch.index_select(x, -1, i[0])),
    "gather": lambda x, i: (torch.gather(x[:, :2, 0, 0], 1, i.abs() % 2), x[:, :, 0, 0].gather(dim=-1, index=i.abs())),
}


@pytest.mark.parametrize("name", INDICES_BY_TENSOR)
def test_tensors_as_indices(name: str) -> None:
    check_call(INDICES_BY_TENSOR[name], X, PLACES, other_batch=name not in ("gather", "of one number"))


def test_gather_along_the_batch_of_any_size() -> None:
    check_call(lambda x, i: torch.gather(x, 1, i), reals(4, 6), PLACES.abs())


def test_one_slice_for_all_axes() -> None:
    assert operators(check_call(lambda x: x[:, 1:3, :2, ::2], X)) == ["Slice"]
    assert operators(check_call(lambda x: x[:, 0], X)) == ["Gather"]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x[:, :6],
        lambda x: x[:, :99],
        lambda x: x[:, -6:],
        lambda x: x[:, -99:2],
        lambda x: x[:, : x.size(1) // 2],
        lambda x: x[:, x.shape[1] - 1],
        lambda x: x.narrow(1, 0, x.size(1) - 2),
    ],
)
def test_bounds_that_hold_for_the_traced_size(function: Callable[[Tensor], Any]) -> None:
    assert specialised(check_call(function, X))


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: x[: x.size(0) // 2], "follows the batch"),
        (lambda x: x[x > 0], "an index of type torch.bool"),
        (lambda x: x[:, True], "a truth value"),
        (lambda x: x[:, [True] * 6], "a list in an index"),
        (lambda x: x[[0, 1], [1, 2]], "several tensors"),
    ],
)
def test_what_is_not_exact_is_refused(function: Callable[[Tensor], Any], reason: str) -> None:
    assert reason in refused(function, X)


BOUNDS = st.none() | st.integers(-7, 7)
PARTS = st.builds(slice, BOUNDS, BOUNDS, st.none() | st.integers(1, 3)) | st.integers(-3, 2) | st.just(None)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(PARTS, max_size=4))
def test_any_index_of_ints_slices_and_new_axes(parts: list[Any]) -> None:
    index = (slice(None), *parts[:3])
    check_call(lambda x: x[index] * 2, reals(2, 3, 3, 3))

"""x[...] = value: torch against the lowered graph in onnxruntime, and what the affine algebra makes of it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from graphmorph.models.diverse_branch_block import PaddedNorm
from tests.graphmorph.torch_door.calling import check_call, operators, refused, specialised
from tests.graphmorph.torch_door.lowering_check import check_lowering
from tests.graphmorph.torch_door.rules.test_arithmetic import reals

X = reals(2, 6, 5, 3)


def written(x: Tensor, index: Any, value: Any) -> Tensor:
    x = x * 1
    operator.setitem(x, index, value)
    return x


INDICES: dict[str, Any] = {
    "int": (slice(None), 2),
    "negative int": (slice(None), -1),
    "ints": (slice(None), 2, 1, -1),
    "begin": (slice(None), slice(None, 2)),
    "end": (slice(None), slice(-2, None)),
    "near the end": (Ellipsis, slice(-3, -1), slice(None)),
    "steps": (slice(None), slice(1, 5, 2)),
    "steps from the end": (slice(None), slice(-5, -1, 3)),
    "two axes": (slice(None), slice(1, 3), slice(None, 2)),
    "apart": (slice(None), slice(1, 3), slice(None), slice(0, 2)),
    "slices and ints": (slice(None), slice(1, 3), 2, slice(0, 2)),
    "last axis": (Ellipsis, 0),
}


@pytest.mark.parametrize("name", INDICES)
def test_a_number_is_written(name: str) -> None:
    assert not specialised(check_call(lambda x: written(x, INDICES[name], 7.0), X))


@pytest.mark.parametrize("name", INDICES)
def test_a_tensor_is_written(name: str) -> None:
    index = INDICES[name]
    check_call(lambda x: written(x, index, x[index] * 2), X)
    check_call(lambda x: written(x, index, x[index][:, ...].mean(-1, keepdim=True)), X)
    check_call(lambda x: written(x, index, x.double().mean()), X)


BOUNDS = st.none() | st.integers(-7, 7)
PARTS = st.builds(slice, BOUNDS, BOUNDS, st.none() | st.integers(1, 3)) | st.integers(-3, 2)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(PARTS, max_size=3), st.booleans())
def test_any_index_of_ints_and_slices(parts: list[Any], number: bool) -> None:
    index = (slice(None), *parts)
    check_call(lambda x: written(x, index, 7.0 if number else x[index] * 2), reals(2, 3, 3, 3))


VALUES: dict[str, Callable[[Tensor], Any]] = {
    "a row": lambda x: x[0, 0, 0],
    "leading axes of size 1": lambda x: x[:1, :1, :1, :][None, None],
    "a column": lambda x: x[0, :2, :, :1],
    "a sample": lambda x: x[:1, :2],
    "integers": lambda x: x[:, :2].int(),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_are_broadcast(name: str) -> None:
    check_call(lambda x: written(x, (slice(None), slice(3, 5)), VALUES[name](x)), X)


def test_everything_is_written() -> None:
    check_call(lambda x: (written(x, slice(None), x[0, 0]), written(x, Ellipsis, 3.0), written(x, slice(None), x)), X)


def test_masks() -> None:
    check_call(
        lambda x: (written(x, x > 0, 0.0), written(x, x[:, 0, 0, 0] > 0, -1), written(x, x[..., 0] > 0, x.mean())), X
    )


@pytest.mark.parametrize(
    "part", [slice(1, None), slice(1, -1), slice(0, 6), slice(-6, None), slice(2, 99), slice(4, 2)]
)
def test_slices_that_hold_for_the_traced_size(part: slice) -> None:
    assert specialised(check_call(lambda x: written(x, (slice(None), part), 3.0), X))


def test_later_readers_see_what_was_written_and_earlier_ones_do_not() -> None:
    def function(x: Tensor) -> Tensor:
        y = x * 2
        before = y + 1
        y[:, 0] = 5.0
        y[:, :, -1] = x[:, :, 0]
        return before - y

    check_call(function, X)


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        (0, "an axis that follows the batch"),
        ((slice(0, 1),), "an axis that follows the batch"),
        ((slice(None), [0, 1]), "places that are a tensor"),
        ((slice(None), None, 2), "an axis that the index adds"),
    ],
)
def test_what_is_not_exact_is_refused(index: Any, reason: str) -> None:
    assert reason in refused(lambda x: written(x, index, 1.0), X)


@pytest.mark.filterwarnings("ignore:.*branches on self.training")
def test_a_border_is_written_as_the_affine_algebra_reads_it() -> None:
    norm = PaddedNorm(3, 2)
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        nn.init.uniform_(tensor, 0.5, 1.5)
    found = operators(check_lowering(nn.Sequential(norm), reals(2, 3, 5, 6)))
    assert [found.count(op) for op in ("Pad", "ScatterND", "Expand")] == [1, 4, 4]

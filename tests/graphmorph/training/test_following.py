"""Tensors follow slices as numpy takes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from graphmorph.journal import NEW, Slice
from graphmorph.torch_door.provenance import ParameterOrigin, composed
from graphmorph.training.following import LeftBehind, followed, state_of, taken
from tests.graphmorph.torch_door.slice_chains import by_numpy, chains, counted


@given(chains())
def test_slices_are_those_of_numpy(chain: tuple[tuple[int, ...], list[Slice]]) -> None:
    shape, slices = chain
    array = counted(shape)
    one_by_one = taken(torch.from_numpy(array), slices).numpy()
    np.testing.assert_array_equal(one_by_one, by_numpy(array, slices))
    np.testing.assert_array_equal(array, counted(shape))


@given(chains(), st.booleans())
def test_a_moment_follows_into_the_layout_of_the_new_parameter(
    chain: tuple[tuple[int, ...], list[Slice]], transposed: bool
) -> None:
    shape, slices = chain
    expected = by_numpy(counted(shape), slices)
    expected = expected.T if transposed else expected
    # The parameter lies in memory backwards.
    new = nn.Parameter(torch.zeros(expected.T.shape, dtype=torch.float32).permute(*reversed(range(expected.ndim))))
    moment = followed(
        torch.from_numpy(counted(shape)), new, ParameterOrigin(("w",), composed(slices, shape), transposed)
    )
    np.testing.assert_array_equal(moment.numpy(), expected)
    assert (moment.dtype, moment.stride()) == (torch.float64, new.stride())


def test_rows_and_columns_are_sliced_along_their_own_axis() -> None:
    old, new = torch.zeros(4, 4), nn.Parameter(torch.zeros(2, 3))
    origin = ParameterOrigin(("w",), (Slice(0, (3, 1)), Slice(1, (0, 2, 3))))
    rows, columns = torch.arange(4.0), torch.arange(4.0) * 10
    state = {
        "step": torch.tensor(7.0),
        "row_var": rows[:, None],
        "col_var": columns[None],
        "exp_avg_sq_row": rows,
        "exp_avg_sq_col": columns,
        "count": 3,
    }
    moved = state_of(state, old, new, origin)
    assert (moved["step"], moved["count"]) == (7, 3)
    torch.testing.assert_close(moved["row_var"], torch.tensor([[3.0], [1.0]]))
    torch.testing.assert_close(moved["col_var"], torch.tensor([[0.0, 20.0, 30.0]]))
    torch.testing.assert_close(moved["exp_avg_sq_row"], torch.tensor([3.0, 1.0]))
    torch.testing.assert_close(moved["exp_avg_sq_col"], torch.tensor([0.0, 20.0, 30.0]))


def test_what_belongs_to_no_axis_for_certain_is_left_behind() -> None:
    old, new = torch.zeros(4, 4), nn.Parameter(torch.zeros(2, 4))
    with pytest.raises(LeftBehind, match=r"quantiles of shape \(4,\) belongs to a parameter of \(4, 4\)"):
        state_of({"quantiles": torch.zeros(4)}, old, new, ParameterOrigin(("w",), (Slice(0, (0, 1)),)))


def test_state_of_any_shape_stays_with_a_parameter_that_did_not_change() -> None:
    old, new = torch.zeros(4, 3), nn.Parameter(torch.zeros(4, 3))
    factor = torch.eye(7)
    assert state_of({"factor": factor}, old, new, ParameterOrigin(("w",)))["factor"] is factor


def test_a_sparse_gradient_stays_sparse() -> None:
    gradient = torch.sparse_coo_tensor(
        torch.tensor([[1, 3]]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]), (5, 2), check_invariants=True
    )
    new = nn.Parameter(torch.zeros(3, 1))
    origin = ParameterOrigin(("w",), (Slice(0, (3, 0, NEW)), Slice(1, (1,))))
    moved = followed(gradient, new, origin)
    assert moved.is_sparse
    assert (moved.sparse_dim(), moved.dense_dim()) == (1, 1)
    torch.testing.assert_close(moved.to_dense(), torch.tensor([[4.0], [0.0], [0.0]]))

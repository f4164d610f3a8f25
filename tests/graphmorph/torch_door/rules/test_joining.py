"""Joining tensors and taking them apart: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import pytest
import torch

from tests.graphmorph.torch_door.calling import check_call, operators, refused, specialised
from tests.graphmorph.torch_door.rules.test_arithmetic import reals

X, Y = reals(2, 6, 5), reals(2, 6, 5, seed=1)


def test_cat():
    check_call(
        lambda x, y: (
            torch.cat([x, y], 1),
            torch.cat((x, y, x), dim=-1),
            torch.concat([x, y]),
            torch.concatenate([x, y], axis=1),
            torch.cat([x, (y > 0)], 2),
            torch.cat([x, y.double(), x.int()], 1),
        ),
        X,
        Y,
    )


def test_cat_leaves_out_what_is_empty():
    assert operators(check_call(lambda x: torch.cat([torch.zeros(0), x, x], 1), X)) == ["Concat"]


def test_stack():
    check_call(lambda x, y: (torch.stack([x, y]), torch.stack([x, y], -1), torch.stack((x, y.int()), dim=1)), X, Y)


def test_rows_and_columns():
    check_call(lambda x, y: (torch.hstack([x, y]), torch.vstack([x, y])), X, Y)
    check_call(lambda x, y: (torch.hstack([x, y]), torch.vstack([x, y])), reals(4), reals(4), other_batch=False)


@pytest.mark.parametrize("chunks", [1, 2, 3, 6])
def test_chunks(chunks):
    graph = check_call(lambda x: x.chunk(chunks, 1), X)
    assert not specialised(graph)


def test_chunks_of_unequal_length():
    check_call(lambda x: (torch.chunk(x, 4, dim=1), torch.chunk(x, 2, dim=-1), x.chunk(3, 2)), X)


def test_fewer_chunks_than_asked_for():
    assert specialised(check_call(lambda x: x.chunk(4, 1), X))


def test_splits():
    check_call(
        lambda x: (torch.split(x, 2, 1), x.split(4, dim=1), x.split([1, 2, 3], 1), x.split(split_size=3, dim=2)), X
    )
    check_call(lambda x: (torch.split(x, split_size_or_sections=[5, 1], dim=-2), x.split_with_sizes([2, 3], -1)), X)


def test_half_of_a_size_is_specialised():
    assert specialised(check_call(lambda x: x.split(x.size(1) // 2, 1), X))
    assert not specialised(check_call(lambda x: x.split(3, 1), X))


def test_tensor_split():
    check_call(lambda x: (x.tensor_split(3, 1), torch.tensor_split(x, 2, dim=2), x.tensor_split([1, 4], 1)), X)
    assert not specialised(check_call(lambda x: x.tensor_split(sections=3, dim=1), X))
    assert specialised(check_call(lambda x: x.tensor_split(4, 1), X))


def test_unbind():
    check_call(lambda x: (x.unbind(1), torch.unbind(x, dim=-1)), X)
    assert operators(check_call(lambda x: x[:, :2].unbind(1)[-1] * 2, X)) == ["Slice", "Gather", "Gather", "Mul"]


def test_the_batch_is_not_taken_apart():
    assert "follows the batch" in refused(lambda x: x.split(1), X)
    assert "follows the batch" in refused(lambda x: x.unbind(0)[0], X)
    assert "follows the batch" in refused(lambda x: x.chunk(2)[0], X)

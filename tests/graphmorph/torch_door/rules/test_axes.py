"""Axes in another order, added, removed: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import pytest
import torch

from tests.graphmorph.torch_door.calling import check_call, operators, specialised
from tests.graphmorph.torch_door.rules.test_arithmetic import reals

X = reals(2, 6, 1, 3)


def test_permutations():
    check_call(
        lambda x: (
            x.permute(0, 2, 3, 1),
            x.permute((0, 3, 1, 2)),
            torch.permute(x, (0, -1, 1, 2)),
            x.permute(dims=(1, 0, 2, 3)),
        ),
        X,
    )


def test_swaps():
    check_call(
        lambda x: (
            x.transpose(1, 2),
            torch.transpose(x, dim0=-1, dim1=1),
            x.swapaxes(1, 3),
            torch.swapaxes(x, axis0=1, axis1=2),
            x.swapdims(2, 3),
            x.mT,
            x.adjoint(),
            x.mH,
        ),
        X,
    )


def test_matrices():
    check_call(lambda x: (x.t(), x.T, torch.t(x), x[0].t(), x.H), reals(2, 5))


@pytest.mark.filterwarnings("ignore:The use of `x.T`")
def test_reversed_axes():
    check_call(lambda x: x.permute(3, 2, 1, 0), X)


def test_moved_axes():
    check_call(
        lambda x: (
            x.movedim(1, -1),
            torch.movedim(x, (0, 3), (2, 0)),
            x.moveaxis([1, 2], [3, 1]),
            torch.moveaxis(x, 3, 0),
        ),
        X,
    )


def test_new_axes():
    check_call(
        lambda x: (x.unsqueeze(1), x.unsqueeze(-1), torch.unsqueeze(x, dim=0), x.unsqueeze(-5), x.unsqueeze(axis=2)), X
    )


def test_squeezing_named_axes():
    assert not specialised(check_call(lambda x: (x.squeeze(2), torch.squeeze(x, dim=-2), x.squeeze((2,))), X))


def test_squeezing_what_is_1_in_the_traced_sizes():
    assert specialised(check_call(lambda x: x.squeeze(), X))
    assert specialised(check_call(lambda x: x.squeeze(1), X))
    assert specialised(check_call(lambda x: torch.squeeze(x, (1, 2)), X))


def test_one_node_each():
    assert operators(check_call(lambda x: x.mT, X)) == ["Transpose"]
    assert operators(check_call(lambda x: x.data, X)) == []

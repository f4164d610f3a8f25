"""roll, flip and triangles: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import pytest
import torch

from tests.graphmorph.torch_door.calling import check_call, operators, refused, specialised
from tests.graphmorph.torch_door.rules.test_arithmetic import reals

X = reals(2, 6, 5, 3)


@pytest.mark.parametrize(
    ("shifts", "dims"), [(2, 1), (-2, 1), (0, 2), ((1, -2), (1, 2)), ((1, 2), (1, 1)), ([3], [-1])]
)
def test_roll(shifts, dims):
    check_call(lambda x: torch.roll(x, shifts, dims), X)
    check_call(lambda x: x.roll(shifts=shifts, dims=dims), X)


def test_a_shift_around_the_axis_is_specialised():
    assert specialised(check_call(lambda x: x.roll(13, 1), X))
    assert specialised(check_call(lambda x: x.roll(-6, 1), X))
    assert not specialised(check_call(lambda x: x.roll(-5, 1), X))


def test_flip():
    check_call(lambda x: (torch.flip(x, [1, -1]), x.flip(0), x.flip(1, 2), x.flip([3]), x.flip(dims=(1,))), X)
    check_call(lambda x: (torch.fliplr(x), x.flipud()), X)
    assert operators(check_call(lambda x: x.flip(1, 2), X)) == ["Slice"]


def test_triangles():
    check_call(lambda x: (x.tril(), torch.triu(x, 1), x.triu(diagonal=-1), (x + 1).tril_(-2)), X)


def test_what_is_not_exact_is_refused():
    assert "follows the batch" in refused(lambda x: x.roll(1, 0), X)
    assert "flattened" in refused(lambda x: x.roll(1), X)

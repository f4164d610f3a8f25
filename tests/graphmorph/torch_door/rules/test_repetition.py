"""expand, repeat and tile: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import torch

from tests.graphmorph.torch_door.calling import check_call, operators, refused, specialised
from tests.graphmorph.torch_door.rules.test_arithmetic import reals

X = reals(2, 6, 1, 3)


def test_expand():
    check_call(lambda x: (x.expand(-1, 6, 4, 3), x.expand((-1, -1, 2, -1)), x.expand(5, -1, -1, -1, -1)), X)


def test_expand_that_keeps_the_batch():
    assert not specialised(check_call(lambda x: x.expand(x.size(0), -1, 7, -1), X))
    check_call(lambda x: torch.broadcast_to(x, (x.shape[0], 6, 4, 3)), X)


def test_expand_to_a_size_that_was_computed():
    assert specialised(check_call(lambda x: x.expand(-1, -1, x.size(1), -1), X))


def test_expand_as():
    check_call(lambda x, y: (x.expand_as(y), y[:, :1].expand_as(y), y.expand_as(y)), X, reals(2, 6, 4, 3))


def test_expand_along_the_batch_by_another_tensor():
    check_call(lambda x, y: torch.ones(1, 4).expand_as(x) + y, reals(2, 4), reals(2, 4))


def test_repeat_and_tile():
    check_call(
        lambda x: (
            x.repeat(1, 2, 3, 1),
            x.repeat((2, 1, 1, 1, 1)),
            x.tile(2),
            torch.tile(x, (3, 1, 2)),
            x.tile((2, 1)),
        ),
        X,
    )
    assert operators(check_call(lambda x: x.repeat(1, 2, 1, 1), X)) == ["Tile"]


def test_along_the_batch_whatever_its_size():
    assert not specialised(check_call(lambda x: x[:1].expand(x.size(0), -1, -1, -1), X))
    assert not specialised(check_call(lambda x: x[:1].repeat(x.size(0), 1, 1, 1), X))


def test_by_a_number_that_the_batch_gives_is_refused():
    assert "along the batch" in refused(lambda x: x[:1].expand(2 * x.size(0), -1, -1, -1), X)
    assert "follows the batch" in refused(lambda x: x[:1].repeat(x.size(0) + 1, 1, 1, 1), X)

"""Element types and copies: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import torch
from torch import nn

from tests.graphmorph.torch_door.calling import check_call, operators
from tests.graphmorph.torch_door.lowering_check import check_lowering
from tests.graphmorph.torch_door.rules.test_arithmetic import reals

X = reals(2, 6, 5)


def test_types():
    check_call(
        lambda x: (
            x.double(),
            x.half(),
            x.int(),
            x.long(),
            x.bool(),
            x.to(torch.float64),
            x.to(dtype=torch.int32),
            x.type(torch.float64),
            x.type("torch.DoubleTensor"),
            x.type_as(x.double()),
            x.to(x.int()),
            x.to("cpu", torch.float16),
            x.long().float(),
        ),
        X,
    )


def test_what_changes_nothing():
    function = lambda x: x.contiguous().clone().detach().to(x.device).cpu().float().to(x.dtype, copy=True)  # noqa: E731
    assert operators(check_call(function, X)) == []
    check_call(
        lambda x: x.contiguous(memory_format=torch.channels_last).clone(memory_format=torch.preserve_format), X[None]
    )


def test_identity():
    assert operators(check_lowering(nn.Identity(), X)) == []

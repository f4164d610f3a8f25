"""Padding: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door import trace
from tests.graphmorph.torch_door.calling import calling, check_call, operators, refused, specialised
from tests.graphmorph.torch_door.lowering_check import check_lowering, opaque_reasons
from tests.graphmorph.torch_door.rules.test_layer_norm import drawn

SIZES = {1: (2, 3, 6), 2: (2, 3, 5, 6), 3: (2, 3, 4, 5, 6)}


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("name", ["ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad", "ConstantPad"])
def test_modules(dimensions, name):
    value = (-1.5,) if name == "ConstantPad" else ()
    for padding in (1, tuple(range(1, 2 * dimensions + 1))[: 2 * dimensions]):
        amounts = tuple(min(p, 3) for p in padding) if isinstance(padding, tuple) else padding
        layer = getattr(nn, f"{name}{dimensions}d")(amounts, *value)
        assert operators(check_call(layer, drawn(*SIZES[dimensions]))) == ["Pad"]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.pad(x, (1, 2)),
        lambda x: F.pad(x, [0, 0, 1, 2], "constant", 3),
        lambda x: F.pad(input=x, pad=(1, 2, 3, 4), mode="constant", value=-math.inf),
        lambda x: F.pad(x, (1, 1, 2, 2), mode="reflect"),
        lambda x: F.pad(x, (1, 7, 2, 2), mode="replicate"),
        lambda x: F.pad(x, (6, 5, 5, 0), mode="circular"),
        lambda x: F.pad(x, (-1, 2, 3, -2), value=0.5),
        lambda x: F.pad(x, (0, 0, 0, 0, 1, 2)),
        lambda x: torch.constant_pad_nd(x, (1, 0), 2.5),
    ],
)
def test_functions(function):
    check_call(function, drawn(*SIZES[2]))


def test_nothing_to_pad():
    assert operators(check_call(lambda x: F.pad(x, (0, 0, 0, 0)), drawn(*SIZES[2]))) == []


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
def test_only_crops_are_a_slice(mode):
    assert operators(check_call(lambda x: F.pad(x, (-1, 0, 0, -2), mode), drawn(*SIZES[2]))) == ["Slice"]


def test_the_batch_can_be_padded():
    x = drawn(2, 3)
    check_call(lambda x: F.pad(x, (1, 1, 2, 0)), x)
    check_call(lambda x: F.pad(x, (0, 0, -1, 0)), x)


def test_whole_numbers_and_truth_values():
    x = drawn(*SIZES[2])
    check_call(lambda x: F.pad(x, (1, 1)), x > 0)
    check_call(lambda x: F.pad(x, (1, 1), value=7), (x * 9).long())
    check_call(lambda x: F.pad(x, (1, 1), value=True), x > 0)
    assert "beside a tensor of torch.int64" in refused(lambda x: F.pad(x, (1, 1), value=1.5), (x * 9).long())


def test_padding_and_cropping_at_once_is_refused_where_torch_reflects_the_crop():
    assert "at once" in refused(lambda x: F.pad(x, (-1, 2), "reflect"), drawn(*SIZES[1]))


def test_amounts_of_the_traced_shape_are_specialised():
    def to_eight(x):
        return F.pad(x, (0, 8 - x.size(-1)))

    assert specialised(check_call(to_eight, drawn(*SIZES[1])))


def test_amounts_that_follow_the_batch_are_refused():
    assert "follows the size of the batch" in refused(lambda x: F.pad(x, (0, x.size(0))), drawn(2, 3))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(-3, 5), min_size=4, max_size=4),
    st.sampled_from(["constant", "reflect", "replicate", "circular"]),
)
def test_every_padding_is_torchs_or_refused(amounts, mode):
    def function(x):
        return F.pad(x, amounts, mode)

    x = drawn(2, 2, 5, 6)
    try:
        assume(function(x).numel() > 0)
    except RuntimeError:
        assume(False)
    graph = trace(calling(function), x)
    if opaque_reasons(graph):
        assert mode != "constant"
        assert min(amounts) < 0 < max(amounts)
    else:
        check_lowering(calling(function), x, other_batch=False)

"""Max, average and Lp pooling: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

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

SIZES = {1: (2, 3, 11), 2: (2, 3, 9, 8), 3: (2, 3, 7, 6, 5)}


def floor_mode(graph):
    (pool,) = (node for node in graph.nodes if node.op.endswith("Pool"))
    return pool.attrs["ceil_mode"] == 0


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
        {"kernel_size": 3, "stride": 1, "dilation": 2},
    ],
)
def test_max_pool_modules(dimensions, options):
    layer = getattr(nn, f"MaxPool{dimensions}d")(**options)
    assert operators(check_call(layer, drawn(*SIZES[dimensions]))) == ["MaxPool"]


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    ],
)
def test_average_pool_modules(dimensions, options):
    layer = getattr(nn, f"AvgPool{dimensions}d")(**options)
    assert operators(check_call(layer, drawn(*SIZES[dimensions]))) == ["AveragePool"]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.max_pool2d(x, (3, 2), stride=(2, 1), padding=(1, 0)),
        lambda x: F.max_pool2d(input=x, kernel_size=[3], stride=[2], ceil_mode=True),
        lambda x: torch.max_pool2d(x, 3, (), 1),
        lambda x: torch.max_pool2d(x, 2, dilation=2, stride=1),
        lambda x: F.avg_pool2d(x, 2),
        lambda x: F.avg_pool2d(x, (2, 3), (2, 1), count_include_pad=False, padding=1),
        lambda x: F.avg_pool2d(x, 3, divisor_override=9),
        lambda x: F.avg_pool2d(x, 3, padding=1, divisor_override=4),
        lambda x: F.avg_pool2d(x, 3, padding=1, count_include_pad=False, divisor_override=-2),
        lambda x: F.lp_pool2d(x, 2, 3),
        lambda x: F.lp_pool2d(x, norm_type=4.0, kernel_size=(2, 3), stride=2),
    ],
)
def test_functions(function):
    check_call(function, drawn(*SIZES[2]))


def test_functions_of_one_and_three_dimensions():
    for function in (F.max_pool1d, torch.max_pool1d, F.avg_pool1d):
        check_call(lambda x, function=function: function(x, 3, 2, 1), drawn(*SIZES[1]))
    for function in (F.max_pool3d, torch.max_pool3d, F.avg_pool3d):
        check_call(lambda x, function=function: function(x, 3, 2, 1), drawn(*SIZES[3]))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_lp_pool_modules(dimensions):
    layer = getattr(nn, f"LPPool{dimensions}d")(2, 2, ceil_mode=False)
    assert operators(check_call(layer, drawn(*SIZES[dimensions]))) == ["LpPool"]


axes = st.tuples(st.integers(1, 7), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2), st.integers(1, 2))


@settings(max_examples=40, deadline=None)
@given(st.tuples(axes, axes), st.sampled_from(["max", "average", "all"]), st.booleans())
def test_every_window_is_torchs_or_refused(window, kind, ceil_mode):
    size, kernel, stride, pad, dilation = zip(*window, strict=True)
    assume(all(2 * p <= k for p, k in zip(pad, kernel, strict=True)))
    if kind == "max":
        function = lambda x: F.max_pool2d(x, kernel, stride, pad, dilation, ceil_mode)  # noqa: E731
    else:
        function = lambda x: F.avg_pool2d(x, kernel, stride, pad, ceil_mode, kind == "all")  # noqa: E731
    x = drawn(2, 2, *size)
    try:
        function(x)
    except RuntimeError:
        assume(False)
    graph = trace(calling(function), x)
    reasons = opaque_reasons(graph)
    if reasons:
        assert "along another torch drops" in reasons[0] or "nothing but padding" in reasons[0]
    else:
        check_lowering(calling(function), x, other_batch=False)


def test_a_window_that_torch_drops_is_written_as_rounding_down():
    x = drawn(2, 3, 5)
    assert F.max_pool1d(x, 2, 3, 1, ceil_mode=True).shape[2] == 2  # the third would start at 5, behind the input
    for function in (F.max_pool1d, F.avg_pool1d):
        graph = check_call(lambda x, function=function: function(x, 2, 3, 1, ceil_mode=True), x)
        assert floor_mode(graph)
        assert specialised(graph)
    kept = check_call(lambda x: F.max_pool1d(x, 2, 3, 1, ceil_mode=True), drawn(2, 3, 6))
    assert not floor_mode(kept)
    assert not specialised(kept)


def test_dropping_along_one_axis_and_rounding_up_along_the_other_is_refused():
    reason = refused(lambda x: F.max_pool2d(x, (2, 3), 3, 1, ceil_mode=True), drawn(2, 3, 5, 6))
    assert "along another torch drops" in reason


def test_a_divisor_with_ceil_mode_is_refused():
    reason = refused(lambda x: F.avg_pool2d(x, 2, ceil_mode=True, divisor_override=3), drawn(2, 3, 5, 5))
    assert reason == "divisor_override together with ceil_mode"


@pytest.mark.parametrize("order", [1, 3, 2.5, float("inf")])
def test_lp_pooling_of_odd_order_is_refused(order):
    assert "not even" in refused(lambda x: F.lp_pool1d(x, order, 2), drawn(2, 3, 6).abs())


def test_lp_pooling_of_cut_windows_is_refused():
    cut, whole = drawn(2, 3, 5), drawn(2, 3, 6)
    assert "ceil_mode cuts off" in refused(nn.LPPool1d(2, 2, ceil_mode=True), cut)
    assert specialised(check_call(nn.LPPool1d(2, 2, ceil_mode=True), whole))


def test_indices_are_refused():
    x = drawn(*SIZES[2])
    for function in (nn.MaxPool2d(2, return_indices=True), lambda x: F.max_pool2d(x, 2, return_indices=True)):
        assert "return_indices" in refused(function, x)


def test_inputs_without_batch_are_refused():
    for layer in (nn.MaxPool2d(2), nn.AvgPool2d(2), nn.LPPool2d(2, 2)):
        assert "without a batch" in refused(layer, drawn(4, 8, 8))


def test_bytes_have_a_maximum_and_int64_does_not():
    x = (drawn(*SIZES[2]) * 50 + 100).to(torch.uint8)
    check_call(lambda x: F.max_pool2d(x, 2), x)
    assert "int64" in refused(lambda x: F.max_pool2d(x, 2), x.long())


def test_a_kernel_of_the_traced_size_is_specialised():
    graph = check_call(lambda x: F.avg_pool2d(x, x.shape[2:]), drawn(2, 3, 4, 5))
    assert specialised(graph)
    assert specialised(check_call(lambda x: F.avg_pool2d(x, (x.size(2), 2)), drawn(2, 3, 4, 5)))

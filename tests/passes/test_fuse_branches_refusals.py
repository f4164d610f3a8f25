"""Case 4 of fuse-branches: what it must leave alone, exactly as it was, with the reason in its report."""

from __future__ import annotations

from typing import Any

import pytest

from graphmorph.runtime import Runtime
from tests.passes.text_models import (
    BORDER,
    Ran,
    Weights,
    assert_refused,
    build,
    norm,
    run,
)


def collapse(runtime: Runtime, text: str, weights: Weights, **options: Any) -> Ran:
    return run(build(text, weights, **options), runtime, "fuse-branches")


# 4. left alone


def test_4_different_strides(runtime: Runtime) -> None:
    text = """g (float[1,4,5,5] x) => (float[1,4,3,3] y) {
        d = Conv<pads=[1,1,1,1], strides=[2,2]>(x, w)
        p = Conv(x, u)
        y = Add(d, p)
    }"""
    ran = collapse(runtime, text, {"w": (4, 4, 3, 3), "u": (4, 4, 3, 3)})
    assert_refused(ran, y="branches of x have strides (2, 2) and (1, 1)")


def test_4_different_sizes(runtime: Runtime) -> None:
    """One row, which is added to all of them."""
    text = """g (float[1,4,6,5] x) => (float[1,4,6,5] y) {
        d = Conv<pads=[1,1,1,1]>(x, w)
        p = Conv<pads=[0,1,0,1]>(x, u)
        y = Add(d, p)
    }"""
    ran = collapse(runtime, text, {"w": (4, 4, 3, 3), "u": (4, 4, 6, 3)})
    assert_refused(ran, y="the summands have sizes 6 and 1")


def test_4_different_channels(runtime: Runtime) -> None:
    text = """g (float[N,4,H,W] x) => (float[N,6,H,W] y) {
        d = Conv<pads=[1,1,1,1]>(x, w)
        p = Conv(x, u)
        y = Add(d, p)
    }"""
    ran = collapse(runtime, text, {"w": (6, 4, 3, 3), "u": (1, 4, 1, 1)})
    assert_refused(ran, y="the summands have 6 and 1 channels, so the sum broadcasts")


def test_4_sizes_that_agree_for_some_inputs_only(runtime: Runtime) -> None:
    text = """g (float[N,4,H,W] x) => (float[N,6,P,Q] y) {
        d = Conv<strides=[2,2], pads=[1,1,1,1]>(x, w)
        p = Conv<strides=[2,2]>(x, u)
        y = Add(d, p)
    }"""
    ran = collapse(runtime, text, {"w": (6, 4, 3, 3), "u": (6, 4, 2, 2)})
    assert_refused(ran, y="equal sizes of the summands cannot be shown for dynamic dimensions")


@pytest.mark.parametrize(
    ("outputs", "rest", "reason"),
    [
        (", float[N,4,H,W] z", "y = Add(d, h) z = Relu(h)", "h is also read elsewhere (by Add, Relu)"),
        (", float[N,4,H,W] h", "y = Add(d, h)", "h is a graph output"),
    ],
)
def test_4_a_branch_that_somebody_else_reads(runtime: Runtime, outputs: str, rest: str, reason: str) -> None:
    text = f"""g (float[N,4,H,W] x) => (float[N,4,H,W] y{outputs}) {{
        d = Conv<pads=[1,1,1,1]>(x, w)
        h = Conv<pads=[0,1,0,1]>(x, u)
        {rest}
    }}"""
    assert_refused(collapse(runtime, text, {"w": (4, 4, 3, 3), "u": (4, 4, 1, 3)}), y=reason)


def test_4_a_biased_inner_layer_under_zero_padding(runtime: Runtime) -> None:
    text = """g (float[N,4,H,W] x) => (float[N,5,H,W] y) {
        c = Conv(x, a, o)
        y = Conv<pads=[1,1,1,1]>(c, k)
    }"""
    ran = collapse(runtime, text, {"a": (6, 4, 1, 1), "o": (6,), "k": (5, 6, 3, 3)})
    assert_refused(ran, y=BORDER)


def test_4_a_biased_inner_layer_under_zero_padding_in_a_branch(runtime: Runtime) -> None:
    text = """g (float[N,4,H,W] x) => (float[N,5,H,W] y) {
        c = Conv(x, a)
        n = BatchNormalization(c, s, b, m, v)
        d = Conv<pads=[1,1,1,1]>(n, k)
        f = Conv<pads=[1,1,1,1]>(x, w)
        y = Add(d, f)
    }"""
    ran = collapse(runtime, text, {"a": (6, 4, 1, 1), "k": (5, 6, 3, 3), "w": (5, 4, 3, 3), **norm(6)})
    assert_refused(ran, y=f"{BORDER} (at d)", d=BORDER)


def test_4_a_pool_that_leaves_its_padding_out(runtime: Runtime) -> None:
    text = """g (float[N,4,H,W] x) => (float[N,4,H,W] y) {
        d = Conv<pads=[1,1,1,1]>(x, w)
        p = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1]>(x)
        y = Add(d, p)
    }"""
    ran = collapse(runtime, text, {"w": (4, 4, 3, 3)})
    assert_refused(ran, y="AveragePool leaves its padding out of the average (count_include_pad=0) (at p)")


def test_4_series_that_would_cost_more(runtime: Runtime) -> None:
    """A bottleneck is cheap because it is two layers."""
    text = """g (float[N,32,H,W] x) => (float[N,32,P,Q] y) {
        c = Conv(x, a)
        y = Conv(c, k)
    }"""
    ran = collapse(runtime, text, {"a": (2, 32, 1, 1), "k": (32, 2, 3, 3)})
    assert_refused(ran, y="one kernel would take 9216 multiply-adds a position instead of 640")


def test_4_depthwise_beside_dense_stays_where_it_would_cost_more(runtime: Runtime) -> None:
    text = """g (float[N,8,H,W] x) => (float[N,8,H,W] y) {
        d = Conv<pads=[3,3,3,3], group=8>(x, w)
        p = Conv(x, u)
        y = Add(d, p)
    }"""
    ran = collapse(runtime, text, {"w": (8, 1, 7, 7), "u": (8, 8, 1, 1)})
    assert_refused(ran, y="one kernel would take 3136 multiply-adds a position instead of 456")


def test_4_an_activation_in_a_branch(runtime: Runtime) -> None:
    """No candidate: what only some would expect to be fused needs no reason."""
    text = """g (float[N,4,H,W] x) => (float[N,4,H,W] y) {
        d = Conv<pads=[1,1,1,1]>(x, w)
        r = Relu(d)
        p = Conv(x, u)
        y = Add(r, p)
    }"""
    assert_refused(collapse(runtime, text, {"w": (4, 4, 3, 3), "u": (4, 4, 1, 1)}))


def test_4_a_residual_connection_over_an_activation(runtime: Runtime) -> None:
    text = """g (float[N,4,H,W] x) => (float[N,4,H,W] y) {
        d = Conv<pads=[1,1,1,1]>(x, w)
        r = Relu(d)
        p = Conv<pads=[1,1,1,1]>(r, u)
        y = Add(p, x)
    }"""
    assert_refused(collapse(runtime, text, {"w": (4, 4, 3, 3), "u": (4, 4, 3, 3)}))

"""Cases 1 to 3 of fuse-branches: what it collapses (case 4, what it leaves alone, is beside this)."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from graphmorph.runtime import Runtime
from tests.passes.text_models import (
    Ran,
    Weight,
    Weights,
    assert_same_function,
    assert_untouched,
    build,
    norm,
    run,
)

SIZES: tuple[dict[str, tuple[int, ...]], ...] = ({"x": (2, 4, 5, 6)}, {"x": (1, 4, 9, 3)})


def collapse(runtime: Runtime, text: str, weights: Weights, **options: Any) -> Ran:
    return run(build(text, weights, **options), runtime, "fuse-branches")


def assert_collapsed(ran: Ran, removed: int, constants: int, summary: str) -> None:
    """Everything became one node."""
    assert len(ran.graph.nodes) == 1
    assert ran.edits == (removed, 1, constants)
    assert ran.summaries == [summary]
    assert ran.refusals == {}


# 1. branches that meet in a sum

ACB: dict[str, Weight] = {"w": (4, 4, 3, 3), "u": (4, 4, 1, 3), "t": (4, 4, 3, 1)}
ASYMMETRIC = """g (float[N,4,H,W] x) => (float[N,4,H,W] y) {
    d = Conv<pads=[1,1,1,1]>(x, w)
    h = Conv<pads=[0,1,0,1]>(x, u)
    v = Conv<pads=[1,0,1,0]>(x, t)
    %s
}"""


@pytest.mark.parametrize(
    ("total", "sums"),
    [
        *((f"e = Add({a}, {b}) y = Add(e, {c})", "2 Add") for a, b, c in permutations("dhv")),
        ("e = Add(h, v) y = Add(d, e)", "2 Add"),
        ("y = Sum(v, d, h)", "Sum"),
        ("e = Sum(v, d) y = Add(h, e)", "Sum, Add"),
        ("e = Sub(v, d) y = Sub(e, h)", "2 Sub"),
    ],
)
def test_1_asymmetric_branches_in_any_order(runtime: Runtime, total: str, sums: str) -> None:
    ran = collapse(runtime, ASYMMETRIC % total, ACB)
    assert_collapsed(ran, 3 + total.count("="), 1, f"3 Conv, {sums} -> 1 node")
    assert ran.node("y").attrs["kernel_shape"] == [3, 3]
    assert_same_function(ran, *SIZES)


def test_1_normalised_branches(runtime: Runtime) -> None:
    text = """g (float[N,4,H,W] x) => (float[N,4,H,W] y) {
        d = Conv<pads=[1,1,1,1]>(x, w, o)
        dn = BatchNormalization(d, s, b, m, v)
        p = Conv(x, u)
        pn = BatchNormalization(p, ps, pb, pm, pv)
        i = BatchNormalization(x, is, ib, im, iv)
        e = Add(dn, pn)
        y = Add(e, i)
    }"""
    weights = {"w": (4, 4, 3, 3), "o": (4,), "u": (4, 4, 1, 1), **norm(4), **norm(4, "p"), **norm(4, "i")}
    ran = collapse(runtime, text, weights)
    assert_collapsed(ran, 7, 2, "2 Conv, 3 BatchNormalization, 2 Add -> 1 node")
    assert_same_function(ran, *SIZES)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("bias", [False, True])
def test_1_the_identity_of_grouped_convolutions(runtime: Runtime, groups: int, bias: bool) -> None:
    """The identity kernel of channel i stands at input i modulo the channels of a group."""
    text = f"""g (float[N,4,H,W] x) => (float[N,4,H,W] y) {{
        d = Conv<pads=[1,1,1,1], group={groups}>(x, w{", o" if bias else ""})
        i = Mul(x, k)
        y = Add(i, d)
    }}"""
    weights: dict[str, Weight] = {
        "w": (4, 4 // groups, 3, 3),
        "k": (4, 1, 1),
        **({"o": (4,)} if bias else {}),
    }
    ran = collapse(runtime, text, weights)
    assert_collapsed(ran, 3, 1 + bias, "Conv, Mul, Add -> 1 node")
    assert ran.node("y").attrs["group"] == groups
    assert_same_function(ran, *SIZES)


def test_1_asymmetric_pads_are_aligned_side_by_side(runtime: Runtime) -> None:
    text = """g (float[N,4,H,W] x) => (float[N,4,P,Q] y) {
        d = Conv<pads=[0,1,2,1]>(x, w)
        p = Conv<pads=[0,0,1,0]>(x, u)
        y = Add(d, p)
    }"""
    ran = collapse(runtime, text, {"w": (4, 4, 3, 3), "u": (4, 4, 2, 1)})
    assert_collapsed(ran, 3, 1, "2 Conv, Add -> 1 node")
    assert min(ran.node("y").attrs["pads"]) >= 0
    assert_same_function(ran, *SIZES)


def test_1_cropped_branches(runtime: Runtime) -> None:
    """Padding below half of the kernel crops the narrower branch."""
    text = """g (float[N,4,H,W] x) => (float[N,4,P,Q] y) {
        d = Conv(x, w)
        z = Slice(x, one, last, axes)
        p = Conv(z, u)
        y = Add(d, p)
    }"""
    bounds = {"one": np.array([1, 1]), "last": np.array([-1, -1]), "axes": np.array([2, 3])}
    ran = collapse(runtime, text, {"w": (4, 4, 3, 3), "u": (4, 4, 1, 1), **bounds})
    assert_collapsed(ran, 4, 1, "Conv, Slice, Conv, Add -> 1 node".replace("Conv, Slice, Conv", "2 Conv, Slice"))
    assert_same_function(ran, *SIZES)


def test_1_strided_branches_whose_sizes_agree_for_every_input(runtime: Runtime) -> None:
    text = """g (float[N,4,H,W] x) => (float[N,4,P,Q] y) {
        d = Conv<pads=[1,1,1,1], strides=[2,2]>(x, w)
        p = Conv<strides=[2,2]>(x, u)
        y = Add(d, p)
    }"""
    ran = collapse(runtime, text, {"w": (4, 4, 3, 3), "u": (4, 4, 1, 1)})
    assert_collapsed(ran, 3, 1, "2 Conv, Add -> 1 node")
    assert_same_function(ran, *SIZES)


@pytest.mark.parametrize("pool", ["AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1>(x)"])
def test_1_pooled_branch(runtime: Runtime, pool: str) -> None:
    text = f"""g (float[N,4,H,W] x) => (float[N,4,H,W] y) {{
        d = Conv<pads=[1,1,1,1]>(x, w)
        p = {pool}
        y = Add(d, p)
    }}"""
    ran = collapse(runtime, text, {"w": (4, 4, 3, 3)})
    assert_collapsed(ran, 3, 1, "Conv, AveragePool, Add -> 1 node")
    assert_same_function(ran, *SIZES)


@pytest.mark.parametrize(("rank", "spatial"), [(1, "L"), (3, "D,H,W")])
def test_1_one_and_three_dimensions(runtime: Runtime, rank: int, spatial: str) -> None:
    pads = ",".join(["1"] * (2 * rank))
    text = f"""g (float[N,4,{spatial}] x) => (float[N,4,{spatial}] y) {{
        d = Conv<pads=[{pads}]>(x, w)
        p = Conv(x, u)
        e = Add(d, p)
        y = BatchNormalization(e, s, b, m, v)
    }}"""
    ran = collapse(runtime, text, {"w": (4, 4, *(3,) * rank), "u": (4, 4, *(1,) * rank), **norm(4)})
    assert_collapsed(ran, 4, 2, "2 Conv, Add, BatchNormalization -> 1 node")
    assert_same_function(ran, {"x": (2, 4, *(5,) * rank)}, {"x": (1, 4, *(4,) * rank)})


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "double"])
def test_1_every_float_type(runtime: Runtime, dtype: str) -> None:
    ran = collapse(runtime, ASYMMETRIC % "y = Sum(v, d, h)", ACB, dtype=dtype)
    assert_collapsed(ran, 4, 1, "3 Conv, Sum -> 1 node")
    assert str(ran.node("y").inputs[1].dtype) == {"double": "float64"}.get(dtype, dtype)
    assert_same_function(ran, *SIZES)


@pytest.mark.parametrize(("total", "constants"), [("Add(d, d)", 1), ("Sub(d, d)", 1), ("Sum(d, d, k)", 2)])
def test_1_a_branch_that_meets_itself(runtime: Runtime, total: str, constants: int) -> None:
    text = f"g (float[N,4,H,W] x) => (float[N,4,P,Q] y) {{ d = Conv(x, w) y = {total} }}"
    weights: dict[str, Weight] = {"w": (4, 4, 3, 3), **({"k": (4, 1, 1)} if "k" in total else {})}
    ran = run(build(text, weights), runtime)
    assert_collapsed(ran, 2, constants, f"Conv, {total[:3]} -> 1 node")
    assert_same_function(ran, *SIZES)


# 2. convolutions in series


@pytest.mark.parametrize("pads", ["pads=[1,1,1,1]", "pads=[0,0,0,0]"])
def test_2_without_an_inner_bias(runtime: Runtime, pads: str) -> None:
    text = f"""g (float[N,4,H,W] x) => (float[N,5,P,Q] y) {{
        c = Conv(x, a)
        y = Conv<{pads}>(c, k, o)
    }}"""
    ran = collapse(runtime, text, {"a": (6, 4, 1, 1), "k": (5, 6, 3, 3), "o": (5,)})
    assert_collapsed(ran, 2, 2, "2 Conv -> 1 node")
    assert_same_function(ran, *SIZES)


def test_2_with_an_inner_bias_and_no_padding(runtime: Runtime) -> None:
    text = """g (float[N,4,H,W] x) => (float[N,5,P,Q] y) {
        c = Conv(x, a)
        n = BatchNormalization(c, s, b, m, v)
        y = Conv(n, k)
    }"""
    ran = collapse(runtime, text, {"a": (6, 4, 1, 1), "k": (5, 6, 3, 3), **norm(6)})
    assert_collapsed(ran, 3, 2, "2 Conv, BatchNormalization -> 1 node")
    assert_same_function(ran, *SIZES)


@pytest.mark.parametrize("bias", [True, False])
def test_2_padded_by_the_inner_bias(runtime: Runtime, bias: bool) -> None:
    """A branch of Diverse Branch Block: the border holds the bias, so that it is what the inner layer makes of 0."""
    text = f"""g (float[1,4,4,4] x) => (float[1,5,4,4] y) {{
        c = Conv(x, a{", o" if bias else ""})
        p = Pad(c, q{", value" if bias else ""})
        d = Conv(p, k)
        f = Conv<pads=[1,1,1,1]>(x, w)
        y = Add(d, f)
    }}"""
    weights: dict[str, Weight] = {"a": (6, 4, 1, 1), "o": np.full(6, 0.25), "value": np.array(0.25)}
    weights |= {"q": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "k": (5, 6, 3, 3), "w": (5, 4, 3, 3)}
    used = {name: weight for name, weight in weights.items() if bias or name not in ("o", "value")}
    ran = collapse(runtime, text, used)
    assert_collapsed(ran, 5, 1 + bias, "3 Conv, Pad, Add -> 1 node")
    assert_same_function(ran, {"x": (1, 4, 4, 4)})


# 3. linear layers


@pytest.mark.parametrize("order", ["Add(c, f)", "Add(f, c)", "Sum(f, c)"])
def test_3_low_rank_branch(runtime: Runtime, order: str) -> None:
    text = f"""g (float[N,T,16] x) => (float[N,T,16] y) {{
        c = MatMul(x, w)
        d = MatMul(x, a)
        e = MatMul(d, b)
        f = Mul(e, k)
        y = {order}
    }}"""
    ran = collapse(runtime, text, {"w": (16, 16), "a": (16, 2), "b": (2, 16), "k": np.array(0.5)})
    assert_collapsed(ran, 5, 1, f"3 MatMul, Mul, {order[:3]} -> 1 node")
    assert_same_function(ran, {"x": (2, 3, 16)}, {"x": (1, 5, 16)})


def test_3_parallel_gemms(runtime: Runtime) -> None:
    text = """g (float[N,4] x) => (float[N,6] y) {
        c = Gemm<alpha=0.5, beta=3.0>(x, w, k)
        d = Gemm<transB=1>(x, u, o)
        y = Add(c, d)
    }"""
    ran = collapse(runtime, text, {"w": (4, 6), "k": (6,), "u": (6, 4), "o": (6,)})
    assert_collapsed(ran, 3, 2, "2 Gemm, Add -> 1 node")
    assert_same_function(ran, {"x": (3, 4)})


def test_a_second_run_changes_nothing_and_says_so(runtime: Runtime) -> None:
    first = collapse(runtime, ASYMMETRIC % "y = Sum(v, d, h)", ACB)
    second = run(first.after, runtime)
    assert_untouched(second)
    assert second.refusals == {}

"""Reshape targets: constant or computed, with free sizes or without."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.errors import RefusedError
from graphmorph.runtime import Runtime
from tests.graphmorph.channels.removed_text import assert_equals_masked, removed
from tests.passes.text_models import Weight, build

FLATTEN = """g (float[N,4,4,4] x) => (float[N,5] y) {{
    a = Conv(x, w)
    m = Mul(a, k)
    f = Reshape(m, {target})
    y = Gemm<transB=1>(f, v)
}}"""
WEIGHTS: dict[str, Weight] = {"w": (6, 4, 1, 1), "k": np.ones((6, 1, 1)), "v": (5, 96)}
X = {"x": (2, 4, 4, 4)}, {"x": (3, 4, 4, 4)}


@pytest.mark.parametrize(("target", "expected"), [([-1, 96], [-1, 64]), ([0, 96], [0, 64]), ([0, -1], [0, -1])])
def test_entries_that_are_still_right_stay(runtime: Runtime, target: list[int], expected: list[int]) -> None:
    model = build(FLATTEN.format(target="t"), {**WEIGHTS, "t": np.array(target)})
    result = removed(model, runtime, [1, 4])
    assert_equals_masked(result, *X)
    assert result.read_by("f", 1) == expected
    assert result.node("f").inputs[1].name == "t"


def test_a_target_is_an_attribute_before_opset_5(runtime: Runtime) -> None:
    text = """g (float[2,4] x) => (float[2,3] y) {
        a = MatMul(x, w)
        m = MatMul(a, k)
        r = Reshape<shape=[2,6,1]>(m)
        q = Reshape<shape=[0,6]>(r)
        y = MatMul(q, v)
    }"""
    model = build(text, {"w": (4, 3), "k": (3, 6), "v": (6, 3)}, opset=4)
    result = removed(model, runtime, [0, 5], axis=1)
    assert_equals_masked(result, {"x": (2, 4)})
    assert (result.node("r").attrs["shape"], result.node("q").attrs["shape"]) == ([2, 4, 1], [0, 4])


def test_a_target_that_others_share_is_copied(runtime: Runtime) -> None:
    text = """g (float[N,4] x) => (float[N,3] y, float[N,6] z) {
        a = MatMul(x, w)
        m = Mul(a, k)
        r = Reshape(m, t)
        y = MatMul(r, v)
        b = MatMul(x, w)
        z = Reshape(b, t)
    }"""
    model = build(text, {"w": np.ones((4, 6)), "k": np.ones(6), "t": np.array([-1, 6]), "v": (6, 3)})
    result = removed(model, runtime, [5])
    assert result.read_by("r", 1) == [-1, 5]
    assert result.read_by("z", 1) == [-1, 6]
    assert result.node("z").inputs[1].name == "t"


def test_equal_new_targets_are_one_constant(runtime: Runtime) -> None:
    text = """g (float[N,4] x) => (float[N,3] y) {
        a = MatMul(x, w)
        m = Mul(a, k)
        r = Reshape(m, t)
        s = Relu(r)
        q = Reshape(s, t)
        y = MatMul(q, v)
    }"""
    model = build(text, {"w": (4, 6), "k": np.ones(6), "t": np.array([-1, 6]), "v": (6, 3)})
    result = removed(model, runtime, [5])
    assert_equals_masked(result, {"x": (5, 4)})
    assert result.node("r").inputs[1] is result.node("q").inputs[1]
    assert result.node("r").inputs[1].name == "t"


def test_allowzero_makes_no_difference_where_nothing_is_zero(runtime: Runtime) -> None:
    text = FLATTEN.format(target="t").replace("Reshape(", "Reshape<allowzero=1>(")
    result = removed(build(text, {**WEIGHTS, "t": np.array([-1, 96])}), runtime, [1, 4])
    assert_equals_masked(result, *X)
    assert result.read_by("f", 1) == [-1, 64]


SHUFFLE = """g (float[N,4,H,W] x) => (float[N,5,H,W] y) {
    a = Conv(x, w)
    shape = Shape(a)
    n = Gather(shape, zero)
    h = Gather(shape, two)
    q = Gather(shape, three)
    split = Concat<axis=0>(n, gk, h, q)
    r = Reshape(a, split)
    t = Transpose<perm=[0,2,1,3,4]>(r)
    joined = Concat<axis=0>(n, c, h, q)
    s = Reshape(t, joined)
    m = Mul(s, k)
    y = Conv(m, v)
}"""
INDICES: dict[str, Weight] = {"zero": np.array([0]), "two": np.array([2]), "three": np.array([3])}
SHUFFLED: dict[str, Weight] = {
    **INDICES,
    "w": (6, 4, 1, 1),
    "v": (5, 6, 1, 1),
    "k": np.ones((6, 1, 1)),
    "gk": np.array([2, 3]),
    "c": np.array([6]),
}


def test_what_is_written_down_of_computed_sizes_is_rewritten_there(runtime: Runtime) -> None:
    result = removed(build(SHUFFLE, SHUFFLED), runtime, [2, 3])
    assert_equals_masked(result, {"x": (2, 4, 3, 5)}, {"x": (1, 4, 7, 6)})
    assert (result.read_by("split", 1), result.read_by("joined", 1)) == ([2, 2], [4])
    assert result.journal.nodes_added == 0


def test_computed_sizes_are_chosen_where_they_cannot_be_copied(runtime: Runtime) -> None:
    """Channel shuffle with free batch, height and width: two of them are not at their old place."""
    text = SHUFFLE.replace("split =", "split0 =").replace("joined =", "joined0 =")
    text = text.replace("r =", "split = Identity(split0)\n r =").replace("s =", "joined = Identity(joined0)\n s =")
    result = removed(build(text, SHUFFLED), runtime, [2, 3])
    assert_equals_masked(result, {"x": (2, 4, 3, 5)}, {"x": (1, 4, 7, 6)})
    chosen = [result.node(name).inputs[1].inputs[0] for name in ("r", "s")]
    assert [node.op for node in chosen] == ["Where", "Where"]
    assert result.journal.nodes_added == 2
    known, values = (result.integers(tensor.name) for tensor in chosen[1].inputs[:2])
    assert (known, values) == ([False, True, False, False], [0, 4, 0, 0])


HEADS = """g (float[N,T,8] x) => (float[N,T,4] y) {{
    a = MatMul(x, w)
    m = Mul(a, k)
    shape = Shape(x)
    n = Slice(shape, i0, i1)
    t = Slice(shape, i1, i2)
    target = Concat<axis=0>({target})
    r = Reshape(m, target)
    y = MatMul(r, v)
}}"""


def test_computed_sizes_that_stay_where_they_were_are_copied(runtime: Runtime) -> None:
    text = HEADS.format(target="n, t, c")
    weights: dict[str, Weight] = {
        "w": (8, 6),
        "k": np.ones(6),
        "v": (6, 4),
        "c": np.array([6]),
        "i0": np.array([0]),
        "i1": np.array([1]),
        "i2": np.array([2]),
    }
    result = removed(build(text, weights), runtime, [0])
    assert_equals_masked(result, {"x": (2, 3, 8)}, {"x": (4, 1, 8)})
    assert result.read_by("r", 1) == [0, 0, 5]
    assert "target" not in [t.name for node in result.graph.nodes for t in node.outputs]


def test_one_free_size_is_inferred(runtime: Runtime) -> None:
    text = (
        HEADS.format(target="nt, c")
        .replace("(float[N,T,4] y)", "(float[M,4] y)")
        .replace("target =", "nt = Mul(n, t) target =")
    )
    weights: dict[str, Weight] = {
        "w": (8, 6),
        "k": np.ones(6),
        "v": (6, 4),
        "c": np.array([6]),
        "i0": np.array([0]),
        "i1": np.array([1]),
        "i2": np.array([2]),
    }
    result = removed(build(text, weights), runtime, [3, 5])
    assert_equals_masked(result, {"x": (2, 3, 8)}, {"x": (4, 1, 8)})
    assert result.read_by("r", 1) == [-1, 4]


MERGED = """g (float[N,4,H,W] x) => (float[N,M,L] y) {{
    a = Conv(x, w)
    m = Mul(a, k)
    shape = Shape(x)
    n = Slice(shape, i0, i1)
    h = Slice(shape, i2, i3)
    q = Slice(shape, i3, i4)
    nc = Mul(n, c)
    target = Concat<axis=0>({target})
    r = Reshape(m, target)
    p = ReduceMean<axes=[1,2], keepdims=0>(r)
    back = Concat<axis=0>(n, c)
    b = Reshape(p, back)
    o = Gemm<transB=1>(b, v)
    y = Unsqueeze(o, i1)
}}"""
MERGED_WEIGHTS: dict[str, Weight] = {
    "w": (6, 4, 1, 1),
    "k": np.ones((6, 1, 1)),
    "v": (5, 6),
    "c": np.array([6]),
    **{f"i{i}": np.array([i]) for i in range(5)},
}


def test_a_free_size_that_loses_elements_is_inferred(runtime: Runtime) -> None:
    """Batch and channels in one axis, as channel-wise attention has it; height and width stay computed."""
    result = removed(build(MERGED.format(target="nc, h, q"), MERGED_WEIGHTS), runtime, [0, 1])
    assert_equals_masked(result, {"x": (2, 4, 3, 5)}, {"x": (1, 4, 7, 6)})
    assert result.journal.nodes_added == 1


def test_two_inferred_sizes_are_refused(runtime: Runtime) -> None:
    weights: dict[str, Weight] = {**MERGED_WEIGHTS, "minus": np.array([-1])}
    with pytest.raises(RefusedError, match="Reshape r: axis 0 has no fixed size, and the size that it asks for is"):
        removed(build(MERGED.format(target="nc, h, minus"), weights), runtime, [0, 1])

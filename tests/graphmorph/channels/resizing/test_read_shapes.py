"""What is computed from the size of something that loses elements."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.errors import RefusedError
from graphmorph.runtime import Runtime
from tests.graphmorph.channels.removed_text import assert_equals_masked, removed
from tests.passes.text_models import Weight, build

WEIGHTS: dict[str, Weight] = {
    "w": (4, 6),
    "k": np.ones(6),
    "v": (6, 5),
    **{f"i{i}": np.array([i]) for i in range(3)},
    "all": np.array([2**40]),
}
X = {"x": (3, 4)}, {"x": (1, 4)}


@pytest.mark.parametrize(
    "size",
    [
        "p = Gather(shape, i1)",
        "p = Slice(shape, i1, i2)",
        "p = Slice(shape, i1, all)",
        "q = Mul(shape, i1) p = Gather(q, i1)",
    ],
)
def test_a_scale_stays(runtime: Runtime, size: str) -> None:
    """Attention divides by the root of a size; the size that is left is another."""
    text = f"""g (float[N,4] x) => (float[N,5] y) {{
        a = MatMul(x, w)
        m = Mul(a, k)
        shape = Shape(m)
        {size}
        c = Cast<to=1>(p)
        r = Sqrt(c)
        d = Div(m, r)
        y = MatMul(d, v)
    }}"""
    result = removed(build(text, WEIGHTS), runtime, [1, 4])
    assert_equals_masked(result, *X)
    assert result.journal.nodes_added == 1


def test_part_of_a_shape(runtime: Runtime) -> None:
    text = """g (float[N,4] x) => (float[N,5] y) {
        a = MatMul(x, w)
        m = Mul(a, k)
        shape = Shape<start=1>(m)
        c = Cast<to=1>(shape)
        d = Div(m, c)
        y = MatMul(d, v)
    }"""
    result = removed(build(text, WEIGHTS), runtime, [1, 4])
    assert_equals_masked(result, *X)
    assert result.integers(result.node("c").inputs[0].name) == [6]
    assert "Shape" not in [node.op for node in result.graph.nodes]


@pytest.mark.parametrize("pick", ["Gather(shape, i0)", "Slice(shape, i0, i1)"])
def test_sizes_that_stay_are_read_as_before(runtime: Runtime, pick: str) -> None:
    text = f"""g (float[N,4] x) => (float[N,5] y) {{
        a = MatMul(x, w)
        m = Mul(a, k)
        shape = Shape(m)
        n = {pick}
        c = Cast<to=1>(n)
        d = Div(m, c)
        y = MatMul(d, v)
    }}"""
    result = removed(build(text, WEIGHTS), runtime, [1, 4])
    assert_equals_masked(result, *X)
    assert result.journal.nodes_added == 0


def test_what_reads_its_own_size_is_corrected_once(runtime: Runtime) -> None:
    text = """g (float[N,4] x) => (float[N,5] y) {
        a = MatMul(x, w)
        m = Mul(a, k)
        shape = Shape(m)
        s = Slice(shape, i0, i2)
        r = Reshape(m, s)
        e = Expand(r, shape)
        y = MatMul(e, v)
    }"""
    result = removed(build(text, WEIGHTS), runtime, [1, 4])
    assert_equals_masked(result, *X)
    assert result.read_by("r", 1) == [-1, 4]
    assert result.journal.nodes_added - result.journal.nodes_removed == len(result.graph.nodes) - 7


def test_a_count_of_elements(runtime: Runtime) -> None:
    text = """g (float[3,4] x) => (float[3,5] y) {
        a = MatMul(x, w)
        m = Mul(a, k)
        count = Size(m)
        c = Cast<to=1>(count)
        d = Div(m, c)
        y = MatMul(d, v)
    }"""
    result = removed(build(text, WEIGHTS), runtime, [1, 4])
    assert_equals_masked(result, {"x": (3, 4)})
    with pytest.raises(RefusedError, match=r"Size count: \(2, 6\) loses elements, and what is computed from its size"):
        removed(build(text.replace("[3,", "[N,"), WEIGHTS), runtime, [1, 4])


def test_a_shape_that_is_an_output(runtime: Runtime) -> None:
    text = """g (float[N,4] x) => (float[N,5] y, int64[2] shape) {
        a = MatMul(x, w)
        m = Mul(a, k)
        shape = Shape(m)
        y = MatMul(m, v)
    }"""
    with pytest.raises(RefusedError, match=r"Shape shape: \(2, 6\) loses elements, and what is computed from its size"):
        removed(build(text, WEIGHTS), runtime, [1, 4])

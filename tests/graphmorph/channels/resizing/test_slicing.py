"""Slice: bounds along an axis that loses elements, steps, and where no bounds will do."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.runtime import Runtime
from tests.graphmorph.channels.removed_text import Removed, assert_equals_masked, removed
from tests.passes.text_models import Weight, build

TEXT = """g (float[N,4] x) => (float[N,5] y) {{
    a = MatMul(x, w)
    m = Mul(a, k)
    b = {slice}
    y = MatMul(b, v)
}}"""
LARGE = 2**63 - 1


def sliced(
    runtime: Runtime, start: int, end: int, places: list[int], step: int | None = None, axis: int = 1
) -> Removed:
    """Of 8 elements."""
    size = len(range(8)[slice(start, None if step and step < 0 and end < -8 else end, step)])
    operands = {"starts": start, "ends": end, "axes": axis} | ({} if step is None else {"steps": step})
    weights: dict[str, Weight] = {"w": (4, 8), "k": np.ones(8), "v": (size, 5)}
    weights |= {name: np.array([value]) for name, value in operands.items()}
    result = removed(build(TEXT.format(slice=f"Slice(m, {', '.join(operands)})"), weights), runtime, places)
    assert_equals_masked(result, {"x": (3, 4)})
    return result


def bounds(result: Removed) -> tuple[int, ...]:
    node = result.node("b")
    return tuple(result.read_by("b", index)[0] for index in range(1, len(node.inputs)) if index != 3)


@pytest.mark.parametrize(
    ("start", "end", "places", "expected"),
    [
        (2, 6, [0, 3], (1, 4)),
        (2, LARGE, [0, 3], (1, LARGE)),
        (0, 5, [0, 3, 7], (0, 3)),
        (-4, 8, [1, 5], (3, 8)),
        (-6, -2, [7, 2], (2, 5)),
    ],
)
def test_bounds_count_what_is_kept(
    runtime: Runtime, start: int, end: int, places: list[int], expected: tuple[int, ...]
) -> None:
    assert bounds(sliced(runtime, start, end, places)) == expected


def test_an_axis_counted_from_the_end(runtime: Runtime) -> None:
    assert bounds(sliced(runtime, 4, 8, [0, 4], axis=-1)) == (3, 8)


@pytest.mark.parametrize("end", [-LARGE, -9])
def test_a_backward_slice(runtime: Runtime, end: int) -> None:
    result = sliced(runtime, -1, end, [0, 3], step=-1)
    assert bounds(result)[0] == 5
    assert bounds(result)[2] == -1
    assert result.journal.nodes_added == 0


def test_steps_that_still_have_one_stride(runtime: Runtime) -> None:
    """Every second of 8 without 2 and 3, or without all the others."""
    assert bounds(sliced(runtime, 0, 8, [2, 3], step=2)) == (0, 5, 2)
    assert bounds(sliced(runtime, 0, 8, [1, 3, 5, 7], step=2)) == (0, 4, 1)
    assert bounds(sliced(runtime, 1, 8, [3, 4, 5, 6, 7], step=2))[0] == 1


def test_steps_that_have_none_are_picked_by_index(runtime: Runtime) -> None:
    result = sliced(runtime, 0, 8, [1], step=2)
    picked = result.node("b").inputs[0].inputs[0]
    assert picked.op == "Gather"
    assert result.integers(picked.inputs[1].name) == [0, 1, 3, 5]
    assert bounds(result)[2] == 1


def test_bounds_are_attributes_before_opset_10(runtime: Runtime) -> None:
    text = TEXT.format(slice="Slice<starts=[0,2], ends=[100,6], axes=[0,1]>(m)")
    weights: dict[str, Weight] = {"w": (4, 8), "k": np.ones(8), "v": (4, 5)}
    result = removed(build(text, weights, opset=9), runtime, [0, 5])
    assert_equals_masked(result, {"x": (3, 4)})
    assert (result.node("b").attrs["starts"], result.node("b").attrs["ends"]) == ([0, 1], [100, 4])


def test_two_axes_one_of_which_is_sliced_at_computed_bounds_elsewhere(runtime: Runtime) -> None:
    """The time axis is cut in half, wherever that is; the channels beside it go."""
    text = """g (float[N,T,4] x) => (float[N,U,5] y) {
        a = MatMul(x, w)
        m = Mul(a, k)
        shape = Shape(x)
        t = Slice(shape, one, two)
        half = Div(t, two)
        b = Slice(m, zero, half, one)
        y = MatMul(b, v)
    }"""
    weights: dict[str, Weight] = {
        "w": (4, 8),
        "k": np.ones(8),
        "v": (8, 5),
        **{n: np.array([i]) for i, n in enumerate(("zero", "one", "two"))},
    }
    result = removed(build(text, weights), runtime, [0, 5])
    assert_equals_masked(result, {"x": (3, 6, 4)}, {"x": (1, 3, 4)})

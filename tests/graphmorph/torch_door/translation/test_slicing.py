"""Slice, Split, Trilu and Concat."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graphmorph.torch_door.translation.imported import check, import_text, refusal, run_torch

THREE = "g (float[A,B,C] x) => (float y)"
END = 2**63 - 1


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@st.composite
def slices(draw: st.DrawFn) -> dict[str, list[int]]:
    """Slices of (5, 6, 7), of which some are empty, some beyond the ends and some backwards."""
    axes = draw(st.permutations([0, 1, 2]))[: draw(st.integers(1, 3))]
    bound = st.one_of(st.integers(-9, 9), st.sampled_from([END, -END, 2**31 - 1, -(2**31)]))
    return {
        "s": [draw(bound) for _ in axes],
        "e": [draw(bound) for _ in axes],
        "a": [axis - 3 * draw(st.booleans()) for axis in axes],
        "t": [draw(st.sampled_from([1, 2, 3, -1, -2, END, -END])) for _ in axes],
    }


@settings(max_examples=150, deadline=None)
@given(slices())
def test_any_slice(given: dict[str, list[int]]) -> None:
    """Python's own slices, which clamp as ONNX does."""
    module = import_text(f"{THREE} {{ y = Slice(x, s, e, a, t) }}", {name: ints(*v) for name, v in given.items()})
    x = np.random.default_rng(0).standard_normal((5, 6, 7)).astype(np.float32)
    parts = [slice(None)] * 3
    for start, end, axis, step in zip(*given.values(), strict=True):
        # An end before the first element is -1 in ONNX; in Python that is the last one.
        last = None if step < 0 and end + x.shape[axis] < 0 else end
        parts[axis] = slice(start, last, step)
    np.testing.assert_array_equal(run_torch(module, x)[0], x[tuple(parts)])


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ([1], [-1], [1], [2]),
        ([-1], [-END], [2], [-1]),
        ([4, 0], [0, 9], [0, -1], [-2, 3]),
        ([0, 1], [3, 4], None, None),
    ],
)
def test_slices_as_onnxruntime_does_them(
    starts: list[int], ends: list[int], axes: list[int] | None, steps: list[int] | None
) -> None:
    weights = {"s": ints(*starts), "e": ints(*ends)}
    more = "" if axes is None or steps is None else ", a, t"
    if axes is not None and steps is not None:
        weights |= {"a": ints(*axes), "t": ints(*steps)}
    check(f"{THREE} {{ y = Slice(x, s, e{more}) }}", weights, x=(5, 6, 7))


def test_slice_by_attributes() -> None:
    check(f"{THREE} {{ y = Slice<starts=[1,-3], ends=[9,-1], axes=[0,2]>(x) }}", opset=9, x=(5, 6, 7))


PARTS = "g (float[A,6] x) => (float a, float b, float c)"


@pytest.mark.parametrize("axis", [1, -1])
def test_split_by_sizes(axis: int) -> None:
    check(f"{PARTS} {{ a, b, c = Split<axis={axis}>(x, s) }}", {"s": ints(1, 3, 2)}, x=(2, 6))
    check(f"{PARTS} {{ a, b, c = Split<axis={axis}, split=[1, 3, 2]>(x) }}", opset=12, x=(2, 6))


@pytest.mark.parametrize(("size", "opset"), [(6, 12), (6, 13), (6, 18), (7, 18), (8, 18), (5, 18)])
@pytest.mark.parametrize("known", [True, False])
def test_split_into_equal_parts(size: int, opset: int, known: bool) -> None:
    attributes = "<axis=1, num_outputs=3>" if opset == 18 else "<axis=1>"
    text = PARTS.replace("6", str(size) if known else "B")
    check(f"{text} {{ a, b, c = Split{attributes}(x) }}", opset=opset, x=(2, size))


def test_a_split_that_leaves_nothing_for_the_last_is_refused() -> None:
    text = PARTS.replace("6", "4")
    assert "4 elements do not give 3 parts" in refusal(f"{text} {{ a, b, c = Split<axis=1, num_outputs=3>(x) }}")


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("k", [None, -1, 0, 2])
def test_triangles(upper: int, k: int | None) -> None:
    weights = {} if k is None else {"k": np.asarray(k)}
    check(f"{THREE} {{ y = Trilu<upper={upper}>(x{'' if k is None else ', k'}) }}", weights, x=(2, 4, 5))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat(axis: int) -> None:
    """Of a computed tensor, a constant, and the first again."""
    check(f"g (float[2,2] x) => (float y) {{ y = Concat<axis={axis}>(x, w, x) }}", {"w": (2, 2)}, x=(2, 2))


def test_computed_slices_are_refused() -> None:
    text = "g (float[N] x, int64[1] s) => (float y) { y = Slice(x, s, e) }"
    assert "its input s is not constant; fold constants first" in refusal(text, {"e": ints(3)})

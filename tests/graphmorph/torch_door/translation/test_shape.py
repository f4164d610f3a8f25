"""Operators that change the shape, and the ones that compute with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graphmorph.torch_door.translation.imported import check, compare, import_text, layers, refusal, run_torch

SHAPE = (2, 3, 4, 6)
FOUR = "g (float[2,3,4,6] x) => (float y)"
FREE = "g (float[A,B,C,D] x) => (float y)"


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@st.composite
def reshapes(draw: st.DrawFn) -> list[int]:
    """A shape that fits (2, 3, 4, 6): its factors in some grouping, with zeros and at most one -1."""
    order = draw(st.permutations([2, 3, 4, 6]))
    cuts = sorted(draw(st.sets(st.integers(1, 3))))
    sizes = [math.prod(order[a:b]) for a, b in zip([0, *cuts], [*cuts, 4], strict=True)]
    zeros = [0 if n == SHAPE[i] and draw(st.booleans()) else n for i, n in enumerate(sizes)]
    if draw(st.booleans()):
        zeros[draw(st.integers(0, len(zeros) - 1))] = -1
    return zeros


@settings(max_examples=40, deadline=None)
@given(reshapes(), st.sampled_from([FOUR, FREE]))
def test_any_reshape(sizes: list[int], text: str) -> None:
    """With constant sizes and with ones that are computed."""
    check(f"{text} {{ y = Reshape(x, s) }}", {"s": ints(*sizes)}, x=SHAPE)
    computed = text.replace("x)", f"x, int64[{len(sizes)}] s)", 1)
    check(f"{computed} {{ y = Reshape(x, s) }}", x=SHAPE, s=ints(*sizes))


def test_zero_stands_for_the_batch_of_the_moment() -> None:
    module = import_text(f"{FREE} {{ y = Reshape(x, s) }}", {"s": ints(0, -1)})
    assert run_torch(module, np.ones((5, 3, 2, 2), np.float32))[0].shape == (5, 12)


def test_reshape_to_an_empty_tensor() -> None:
    text = "g (float[0,4] x) => (float[4,0] y) { y = Reshape<allowzero=1>(x, s) }"
    check(text, {"s": ints(4, 0)}, x=(0, 4))


@pytest.mark.parametrize("axis", range(-4, 5))
def test_flatten(axis: int) -> None:
    module = check(f"{FOUR} {{ y = Flatten<axis={axis}>(x) }}", x=SHAPE)
    assert layers(module) == (["Flatten(start_dim=1, end_dim=-1)"] if axis in (1, -3) else [])


def test_flatten_of_a_vector() -> None:
    check("g (float[N] x) => (float y) { y = Flatten(x) }", x=(5,))


@pytest.mark.parametrize("perm", [None, [0, 2, 3, 1], [3, 0, 2, 1]])
def test_transpose(perm: list[int] | None) -> None:
    check(f"{FREE} {{ y = Transpose{'' if perm is None else f'<perm={perm}>'}(x) }}", x=SHAPE)


@pytest.mark.parametrize("axes", [None, [1], [-1, 1], [3]])
def test_squeeze(axes: list[int] | None) -> None:
    text = "g (float[N,1,C,1] x) => (float y)"
    weights = {} if axes is None else {"a": ints(*axes)}
    check(f"{text} {{ y = Squeeze(x{', a' if axes else ''}) }}", weights, x=(2, 1, 3, 1))
    check(f"{text} {{ y = Squeeze{f'<axes={axes}>' if axes else ''}(x) }}", opset=12, x=(2, 1, 3, 1))


@pytest.mark.parametrize("axes", [[0], [-1], [2, 0], [-1, 1], [0, 1, 4]])
def test_unsqueeze(axes: list[int]) -> None:
    text = "g (float[A,B] x) => (float y)"
    check(f"{text} {{ y = Unsqueeze(x, a) }}", {"a": ints(*axes)}, x=(2, 3))
    check(f"{text} {{ y = Unsqueeze<axes={axes}>(x) }}", opset=12, x=(2, 3))


@pytest.mark.parametrize("shape", [(4, 3), (1, 1), (2, 4, 1), (2, 1, 1, 3), (1,), (3,)])
def test_expand_broadcasts_both_ways(shape: tuple[int, ...]) -> None:
    check(
        "g (float[A,3] x) => (float y) { y = Expand(x, s) }",
        {"s": ints(*shape)},
        x=(4 if shape[-2:-1] != (4,) else 1, 3),
    )
    computed = f"g (float[A,3] x, int64[{len(shape)}] s) => (float y) {{ y = Expand(x, s) }}"
    check(computed, x=(4, 3), s=ints(*shape))


def test_expand_of_a_number() -> None:
    """It has no sizes of its own before it is a tensor."""
    text = "g (float[A,3] x) => (float y) { b = Shape(x)  c = Expand(n, b)  y = Add(c, x) }"
    check(text, {"n": np.array(0.5, np.float32)}, x=(4, 3))
    check(
        "g (float[A,3] x) => (float y) { c = Expand(n, s)  y = Add(c, x) }",
        {"n": np.array(0.5, np.float32), "s": ints(4, 3)},
        x=(4, 3),
    )


def test_tile() -> None:
    check("g (float[A,B] x) => (float y) { y = Tile(x, r) }", {"r": ints(2, 3)}, x=(2, 3))


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
@pytest.mark.parametrize("block", [2, 3])
def test_depth_to_space(mode: str, block: int) -> None:
    text = f'g (float[N,C,H,W] x) => (float y) {{ y = DepthToSpace<blocksize={block}, mode="{mode}">(x) }}'
    module = check(text, x=(2, 2 * block**2, 3, 4))
    assert layers(module) == ([f"PixelShuffle(upscale_factor={block})"] if mode == "CRD" else [])


@pytest.mark.parametrize("block", [2, 3])
def test_space_to_depth(block: int) -> None:
    check(
        f"g (float[N,C,H,W] x) => (float y) {{ y = SpaceToDepth<blocksize={block}>(x) }}",
        x=(2, 5, 3 * block, 2 * block),
    )


def test_space_to_depth_in_the_other_mode_undoes_depth_to_space() -> None:
    crd = 'blocksize=2, mode="CRD"'
    text = f"g (float[N,C,H,W] x) => (float y) {{ t = DepthToSpace<{crd}>(x) y = SpaceToDepth<{crd}>(t) }}"
    x = np.random.default_rng(0).standard_normal((2, 8, 3, 5)).astype(np.float32)
    compare(run_torch(import_text(text, opset=28), x), [x], 1e-9)


@pytest.mark.parametrize("attributes", ["", "<start=1>", "<start=-2, end=-1>", "<end=2>"])
def test_shape_and_size(attributes: str) -> None:
    check(f"{FREE.replace('float y', 'int64 y')} {{ y = Shape{attributes}(x) }}", x=SHAPE)
    check(f"{FREE.replace('float y', 'int64 y')} {{ y = Size(x) }}", x=SHAPE)


def test_a_shape_that_is_computed_as_exporters_do() -> None:
    text = """g (float[A,B,C,D] x) => (float y) {
        s = Shape(x) n = Gather(s, zero) v = Unsqueeze(n, zeros) t = Concat<axis=0>(v, rest) y = Reshape(x, t)
    }"""
    check(text, {"zero": np.asarray(0), "zeros": ints(0), "rest": ints(-1, 2)}, x=SHAPE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("g (float[4] x, int64[1] s) => (float y) { y = Tile(x, s) }", "its input s is not constant; fold constants"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    assert reason in refusal(text)

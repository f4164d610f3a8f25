"""Operators that move elements: reshaping, transposing, joining, taking apart."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.channels.values.blocks import blocks_of
from graphmorph.channels.values.fact import Outline
from graphmorph.channels.values.numbering import Numbering
from graphmorph.channels.values.telling import settle, tell_apart
from tests.graphmorph.channels.values.oracle import check, constants, duplicates
from tests.graphmorph.channels.values.planted import NAN, planted
from tests.passes.text_models import Weight, build

#: What channels of t are, two by two and in another order.
SHUFFLED = [NAN, 0, NAN, NAN, 0.75, NAN]


def test_shuffle() -> None:
    weights: dict[str, Weight] = {"split": np.array([0, 2, 3, 8, 8]), "merge": np.array([0, 6, 8, 8])}
    text = "r = Reshape(t, split) s = Transpose<perm=[0,2,1,3,4]>(r) y = Reshape(s, merge)"
    values = check(planted(text, weights))
    np.testing.assert_array_equal(constants(values, "y"), [NAN, 0.75, NAN, NAN, 0, NAN])
    assert duplicates(values, "y") == [(0, 2)]
    assert (values.number("y").ravel()[[0, 2, 4, 1, 3, 5]] == values.number("t").ravel()).all()


def test_flatten_tells_positions_apart() -> None:
    """Equal channels are equal position by position."""
    values = check(planted("a = MaxPool<kernel_shape=[4,4], strides=[4,4]>(t) y = Flatten(a)"))
    found = constants(values, "y")
    assert found[8:12] == [0] * 4
    assert found[12:16] == [0.75] * 4
    assert duplicates(values, "y") == [(0, 4), (1, 5), (2, 6), (3, 7)]


def test_flatten_to_linear() -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((3, 6, 4))
    weight[1] = weight[0]
    weight[1, 0], weight[1, 1] = weight[0, 1], weight[0, 0]
    weight[1, 2] = 5
    text = "a = MaxPool<kernel_shape=[4,4], strides=[4,4]>(t) f = Flatten(a) y = Gemm<transB=1>(f, w)"
    values = check(planted(text, {"w": weight.reshape(3, 24)}))
    assert duplicates(values, "y") == [(0, 1)]


def test_heads() -> None:
    weights: dict[str, Weight] = {
        "tokens": np.array([0, 6, -1]),
        "heads": np.array([0, -1, 3, 2]),
        "back": np.array([0, -1, 6]),
    }
    text = """r = Reshape(t, tokens) k = Transpose<perm=[0,2,1]>(r) h = Reshape(k, heads)
        q = Transpose<perm=[0,2,1,3]>(h) qt = Transpose<perm=[0,1,3,2]>(q) a = MatMul(q, qt) s = Softmax(a)
        o = MatMul(s, q) b = Transpose<perm=[0,2,1,3]>(o) y = Reshape(b, back)"""
    values = check(planted(text, weights))
    assert values.constant("q").shape == (1, 3, 1, 2)
    assert duplicates(values, "y") == [(0, 1)]
    assert constants(values, "y")[2] == 0


def test_positions_that_change_places_are_other_values() -> None:
    """x and its mirror images have equal numbers only where they are equal."""
    text = """a = Transpose<perm=[0,1,3,2]>(t) b = Reshape(t, wide) c = Reshape(b, square) d = Slice(t, one, nine, axes)
        e = Reshape(a, wide) y = Concat<axis=1>(a, t)"""
    weights: dict[str, Weight] = {
        "wide": np.array([0, 0, 4, 16]),
        "square": np.array([0, 0, 8, 8]),
        "one": np.array([1]),
        "nine": np.array([9]),
        "axes": np.array([2]),
    }
    values = check(planted(text, weights))
    assert duplicates(values, "y") == [(0, 1), (6, 7)]
    assert not np.isin(values.number("e").ravel()[[0, 4, 5]], values.number("b")).any()


def test_how_operands_are_broadcast_matters() -> None:
    """The same eight numbers, along the rows and along the columns."""
    text = "g = ReduceMax<axes=[3]>(t) h = Reshape(g, shape) u = Mul(g, t) v = Mul(h, t) y = Concat<axis=1>(u, v)"
    values = check(planted(text, {"shape": np.array([0, 6, 1, 8])}))
    assert (values.number("g").ravel() == values.number("h").ravel()).all()
    assert duplicates(values, "y") == [(0, 1), (6, 7)]


def test_nothing_is_told_apart_along_free_axes() -> None:
    numbering = Numbering()
    array = np.array([[0.0, 1.0], [0.0, 2.0]])
    fact = settle(numbering, Outline((2, 2), frozenset({0})), numbering.fresh(2, 2), array, array, array)
    np.testing.assert_array_equal(fact.constant, [[0, NAN]])
    np.testing.assert_array_equal(fact.high, [[0, 2]])
    with pytest.raises(LookupError):
        tell_apart(numbering, fact, 0)


def test_reshaping_with_free_sizes() -> None:
    weights: dict[str, Weight] = {"tokens": np.array([0, 6, -1]), "b": np.array([2.0, 2, 2, 2, 3, 4])}
    text = """r = Reshape(t, tokens) k = Transpose<perm=[0,2,1]>(r) a = Add(k, b) u = Transpose<perm=[0,2,1]>(a)
        size = Shape(t) y = Reshape(u, size)"""
    values = check(planted(text, weights, shape="N,4,H,W"), 5)
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, 2, 2.75, NAN, NAN])
    assert duplicates(values, "y") == [(0, 1)]


def test_channels_merged_with_free_sizes_are_not_known() -> None:
    values = check(planted("y = Reshape(t, flat)", {"flat": np.array([0, -1])}, shape="N,4,H,W"), 4)
    assert values.number("y").shape == (1, 1)
    values = check(planted("y = Reshape(t, flat)", {"flat": np.array([-1, 8])}, shape="N,4,8,8"), 4)
    assert values.number("y").shape == (1, 1)


def test_common_factors() -> None:
    """Channels in groups, groups with all of their positions, and back."""
    weights: dict[str, Weight] = {"groups": np.array([0, 2, -1]), "back": np.array([0, 6, 64])}
    values = check(planted("r = Reshape(t, groups) y = Reshape(r, back)", weights))
    found = values.along("y", 1)
    assert found is not None
    np.testing.assert_array_equal(found.constant, [NAN, NAN, 0, 0.75, NAN, NAN])
    assert found.number[0] == found.number[1]


def test_more_positions_than_can_be_told_apart() -> None:
    """Channels in groups: what is known of all channels of a group stays known."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((4, 6, 1, 1))
    weight[2:] = 0
    weights: dict[str, Weight] = {"w": weight, "groups": np.array([0, 2, -1]), "back": np.array([0, 4, 160, 160])}
    text = "a = Conv(t, w) r = Reshape(a, groups) m = Relu(r) y = Reshape(m, back)"
    values = check(planted(text, weights, shape="N,4,160,160"), kinds=("usual",))
    assert values.constant("m").shape == (1, 2, 1)
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, 0, 0])
    assert duplicates(values, "y") == []


def test_blocks() -> None:
    before, after = Outline((2, 6, 4, 5), frozenset({0})), Outline((2, 2, 3, 20), frozenset({0}))
    assert [(b.before, b.after, b.factors) for b in blocks_of(before, after)] == [
        ((0,), (0,), None),
        ((1,), (1, 2), (2, 3)),
        ((2, 3), (3,), (4, 5)),
    ]
    assert len(blocks_of(Outline((4, 6)), Outline((6, 4)))) == 1
    moved = blocks_of(Outline((2, 3, 4), frozenset({0, 2})), Outline((2, 3, 4), frozenset({0, 1})))
    assert [block.before for block in moved] == [(0,), (1, 2)]
    assert len(blocks_of(Outline((2, 3), frozenset({0, 1})), Outline((2, 3), frozenset({1})))) == 1


def test_reading_and_joining_channels() -> None:
    weights: dict[str, Weight] = {
        "k": np.array([4, 2]),
        "i": np.array([5, 3, -5, 0]),
        "s": np.array([4]),
        "e": np.array([-100]),
        "ax": np.array([1]),
        "st": np.array([-2]),
    }
    text = """a, b = Split<axis=1>(t, k) g = Gather<axis=1>(t, i) l = Slice(t, s, e, ax, st)
        y = Concat<axis=1>(b, g, a, l)"""
    values = check(planted(text, weights))
    expected = [NAN, NAN, NAN, 0.75, NAN, NAN, NAN, NAN, 0, 0.75, NAN, 0, NAN]
    np.testing.assert_array_equal(constants(values, "y"), expected)
    assert duplicates(values, "y") == [(0, 10), (1, 2), (4, 5, 6, 7, 12)]


def test_one_place_of_an_axis() -> None:
    weights: dict[str, Weight] = {"heads": np.array([0, 2, 3, 8, 8]), "zero": np.array(0), "ax": np.array([0])}
    text = """r = Reshape(t, heads) p1 = Transpose<perm=[1,0,2,3,4]>(r) a = Gather<axis=0>(p1, zero)
        b, c = Split<axis=0, num_outputs=2>(p1) d = Squeeze(c, ax) e = Unsqueeze(d, ax) f = Squeeze(e, ax)
        y = Concat<axis=1>(a, f)"""
    values = check(planted(text, weights, opset=18))
    assert (values.number("y").ravel() == values.number("t").ravel()).all()


def test_joined_positions() -> None:
    """A class token in front of the others: channels are constant where both are."""
    weights: dict[str, Weight] = {
        "tokens": np.array([0, 6, -1]),
        "token": np.array([1.0, 1, 0, 0.75, 0, 0]).reshape(1, 1, 6),
        "first": np.array(0),
    }
    text = """r = Reshape(t, tokens) k = Transpose<perm=[0,2,1]>(r) c = Concat<axis=1>(token, k) u = Add(c, k0)
        y = Gather<axis=1>(u, first)"""
    values = check(planted(text, {**weights, "k0": np.array([0, 0, 0, 0.25, 0, 0])}, shape="1,4,8,8"))
    np.testing.assert_array_equal(constants(values, "c"), [NAN, NAN, 0, 0.75, NAN, NAN])
    assert duplicates(values, "y") == [(0, 1)]
    assert constants(values, "y")[3] == 1


def test_constants_on_a_joined_axis() -> None:
    values = check(
        planted(
            "y = Concat<axis=1>(t, k, t)",
            {"k": np.array([3.0, 0]).reshape(1, 2, 1, 1) * np.ones((2, 2, 8, 8))},
            shape="2,4,8,8",
        )
    )
    found = values.along("y", 1)
    np.testing.assert_array_equal(found.constant, [NAN, NAN, 0, 0.75, NAN, NAN, 3, 0, NAN, NAN, 0, 0.75, NAN, NAN])


@pytest.mark.parametrize(
    "call", ["Expand(g, shape)", "Tile(g, copies)", 'Resize<mode="nearest">(g, , scales)', "Mul(g, ones)"]
)
def test_repeating(call: str) -> None:
    weights: dict[str, Weight] = {
        "shape": np.array([1, 6, 8, 8]),
        "copies": np.array([1, 1, 8, 8]),
        "scales": np.array([1, 1, 8, 8], np.float32),
        "ones": np.ones((8, 8)),
    }
    values = check(planted(f"g = GlobalMaxPool(t) e = {call} y = Mul(e, t)", weights))
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, 0, 0.75**2, NAN, NAN])
    assert duplicates(values, "y") == [(0, 1)]


def test_tiled_channels() -> None:
    values = check(planted("y = Tile(t, copies)", {"copies": np.array([1, 2, 1, 1])}))
    assert duplicates(values, "y") == [(0, 1, 6, 7), (4, 10), (5, 11)]


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space_and_back(mode: str) -> None:
    rng = np.random.default_rng(1)
    weight = rng.standard_normal((12, 6, 1, 1))
    dead, first, second = (
        ([2, 5, 8, 11], [0, 3, 6, 9], [1, 4, 7, 10]) if mode == "DCR" else (range(8, 12), range(4), range(4, 8))
    )
    weight[list(dead)] = 0
    weight[list(second)] = weight[list(first)]
    text = f'a = Conv(t, w) y = DepthToSpace<blocksize=2, mode="{mode}">(a) z = SpaceToDepth<blocksize=2>(y)'
    values = check(planted(text, {"w": weight}))
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, 0])
    assert duplicates(values, "y") == [(0, 1)]
    assert duplicates(values, "z") == [(0, 1), (3, 4), (6, 7), (9, 10)]


def test_embeddings() -> None:
    table = np.random.default_rng(0).standard_normal((7, 4))
    table[:, 2], table[:, 3] = 0.5, table[:, 0]
    values = check(build("g (int64[N,3] x) => (y) { e = Gather(w, x) y = Relu(e) }", {"w": table}))
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, 0.5, NAN])
    assert duplicates(values, "y") == [(0, 3)]


def test_skips() -> None:
    """A residual sum: duplicates and zeros have to be so in both branches."""
    weight = np.random.default_rng(4).standard_normal((6, 6, 3, 3))
    weight[1], weight[2], weight[5] = weight[0], 0, weight[4]
    text = "a = Conv<pads=[1,1,1,1]>(t, w) r = Relu(a) u = Add(r, t) v = ConvTranspose(u, k) y = Concat<axis=1>(u, t)"
    values = check(planted(text, {"w": weight, "k": (6, 2, 3, 3)}))
    np.testing.assert_array_equal(constants(values, "u"), [NAN, NAN, 0, NAN, NAN, NAN])
    assert duplicates(values, "u") == [(0, 1)]
    assert duplicates(values, "y") == [(0, 1), (6, 7)]

"""Which channels each operator ties together, by what goes with one channel of the first convolution.

Every model is `x -> Conv(w) -> a -> ... -> Conv(v) -> y`; the expectation is written down by hand, by what the operator
means, as places along the axes of constants.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.probed import probed_analysis
from graphmorph.channels.walls import walls
from graphmorph.facts import Facts
from graphmorph.onnx_door import load
from graphmorph.oracle import Oracle, Shapes
from graphmorph.runtime import Runtime
from tests.graphmorph.channels.analysed_text import analysed
from tests.passes.text_models import Weights, build

Places = dict[tuple[str, int], list[int]]


def gone(analysis: Analysis, constant: str, axis: int, place: int) -> Places:
    """All that goes with one entry of a constant; empty where it must stay."""
    slot = next(slot for slot in analysis.slots if slot.name == constant)
    ids = slot.axes[axis]
    if ids is None or analysis.components.is_wall(ids[place : place + 1]).any():
        return {}
    label = analysis.components.label[ids[place]]
    found: Places = {}
    for one in analysis.slots:
        for number, axis_ids in enumerate(one.axes):
            if axis_ids is not None:
                places = np.flatnonzero(analysis.components.label[axis_ids] == label).tolist()
                if places:
                    found.setdefault((one.name, number), []).extend(places)
    return found


def model(body: str, *, x: str = "N,3,8,8", y: str = "") -> str:
    return f"g (float[{x}] x) => (float{y or '[N,2,8,8]'} y) {{\n a = Conv(x, w)\n {body}\n}}"


def mesh(*places: Iterable[int]) -> NDArray[np.int64]:
    """(sizes..., axes) indices of a box: what exporters write for x[:, :, 7:, :] = u."""
    return np.stack(np.meshgrid(*map(list, places), indexing="ij"), axis=-1).astype(np.int64)


W: Weights = {"w": (6, 3, 1, 1)}
CASES: dict[str, tuple[str, Weights, Places]] = {
    "unary": ("b = Relu(a)\n y = Conv(b, v)", {"v": (2, 6, 1, 1)}, {("w", 0): [2], ("v", 1): [2]}),
    "batch norm": (
        "b = BatchNormalization(a, s, o, m, q)\n y = Conv(b, v)",
        {"v": (2, 6, 1, 1), "s": (6,), "o": (6,), "m": (6,), "q": np.ones(6)},
        {("w", 0): [2], ("s", 0): [2], ("o", 0): [2], ("m", 0): [2], ("q", 0): [2], ("v", 1): [2]},
    ),
    "residual": (
        "b = Conv(x, u)\n c = Add(a, b)\n y = Conv(c, v)",
        {"u": (6, 3, 1, 1), "v": (2, 6, 1, 1)},
        {("w", 0): [2], ("u", 0): [2], ("v", 1): [2]},
    ),
    "concat": (
        "b = Conv(x, u)\n c = Concat<axis=1>(b, a)\n y = Conv(c, v)",
        {"u": (4, 3, 1, 1), "v": (2, 10, 1, 1)},
        {("w", 0): [2], ("v", 1): [6]},
    ),
    "split": (
        "b, c = Split<axis=1>(a, sizes)\n d = Conv(b, u)\n e = Conv(c, v)\n y = Add(d, e)",
        {"sizes": np.array([2, 4], np.int64), "u": (2, 2, 1, 1), "v": (2, 4, 1, 1)},
        {("w", 0): [2], ("v", 1): [0]},
    ),
    "slice with steps": (
        "b = Slice(a, start, end, axis, step)\n y = Conv(b, v)",
        {
            "start": np.array([5], np.int64),
            "end": np.array([-9], np.int64),
            "axis": np.array([1], np.int64),
            "step": np.array([-1], np.int64),
            "v": (2, 6, 1, 1),
        },
        {("w", 0): [2], ("v", 1): [3]},
    ),
    "gather": (
        "b = Gather<axis=1>(a, order)\n y = Conv(b, v)",
        {"order": np.array([5, 2, 0, 2], np.int64), "v": (2, 4, 1, 1)},
        {("w", 0): [2], ("v", 1): [1, 3]},
    ),
    "pad of channels": (
        "b = Pad(a, pads)\n y = Conv(b, v)",
        {"pads": np.array([0, 1, 0, 0, 0, 2, 0, 0], np.int64), "v": (2, 9, 1, 1)},
        {("w", 0): [2], ("v", 1): [3]},
    ),
    "tile": (
        "b = Tile(a, times)\n y = Conv(b, v)",
        {"times": np.array([1, 2, 1, 1], np.int64), "v": (2, 12, 1, 1)},
        {("w", 0): [2], ("v", 1): [2, 8]},
    ),
    "depthwise": (
        "b = Conv<group=6>(a, u)\n y = Conv(b, v)",
        {"u": (6, 1, 1, 1), "v": (2, 6, 1, 1)},
        {("w", 0): [2], ("u", 0): [2], ("v", 1): [2]},
    ),
    "grouped: the same channels of every group": (
        "b = Conv<group=2>(a, u)\n y = Conv(b, v)",
        {"u": (4, 3, 1, 1), "v": (2, 4, 1, 1)},
        {("w", 0): [2, 5], ("u", 1): [2]},
    ),
    "grouped: one channel each, several made": (
        "b = Conv<group=6>(a, u)\n y = Conv(b, v)",
        {"u": (12, 1, 1, 1), "v": (2, 12, 1, 1)},
        {("w", 0): [2], ("u", 0): [4, 5], ("v", 1): [4, 5]},
    ),
    "shuffle": (
        "b = Reshape(a, cut)\n c = Transpose<perm=[0,2,1,3,4]>(b)\n d = Reshape(c, back)\n y = Conv(d, v)",
        {
            "cut": np.array([0, 2, 3, 8, 8], np.int64),
            "back": np.array([0, 6, 8, 8], np.int64),
            "v": (2, 6, 1, 1),
        },
        {("w", 0): [2, 5], ("v", 1): [4, 5]},
    ),
    "flatten": (
        "b = Flatten(a)\n y = Gemm<transB=1>(b, v)",
        {"v": (2, 24)},
        {("w", 0): [2], ("v", 1): [8, 9, 10, 11]},
    ),
    "depth to space": (
        'b = DepthToSpace<blocksize=2, mode="CRD">(a)\n y = Conv(b, v)',
        {"v": (2, 2, 1, 1), "w": (8, 3, 1, 1)},
        {("w", 0): [0, 1, 2, 3], ("v", 1): [0]},
    ),
    "squeeze and excite": (
        "p = GlobalAveragePool(a)\n q = Conv(p, u)\n r = Sigmoid(q)\n s = Mul(a, r)\n y = Conv(s, v)",
        {"u": (6, 6, 1, 1), "v": (2, 6, 1, 1)},
        {("w", 0): [2], ("u", 0): [2], ("u", 1): [2], ("v", 1): [2]},
    ),
    "transposed convolution": (
        "b = ConvTranspose(a, u)\n y = Conv(b, v)",
        {"u": (6, 5, 1, 1), "v": (2, 5, 1, 1)},
        {("w", 0): [2], ("u", 0): [2]},
    ),
    "resize": (
        'b = Resize<mode="nearest">(a, , scales)\n y = Conv(b, v)',
        {"scales": np.array([1, 1, 2, 2], np.float32), "v": (2, 6, 1, 1)},
        {("w", 0): [2], ("v", 1): [2]},
    ),
    "instance norm": (
        "b = InstanceNormalization(a, s, o)\n y = Conv(b, v)",
        {"s": (6,), "o": (6,), "v": (2, 6, 1, 1)},
        {("w", 0): [2], ("s", 0): [2], ("o", 0): [2], ("v", 1): [2]},
    ),
    "prelu": (
        "b = PRelu(a, s)\n y = Conv(b, v)",
        {"s": (6, 1, 1), "v": (2, 6, 1, 1)},
        {("w", 0): [2], ("s", 0): [2], ("v", 1): [2]},
    ),
    "reduce and matmul": (
        "b = ReduceMean<axes=[2,3], keepdims=0>(a)\n y = MatMul(b, v)",
        {"v": (6, 2)},
        {("w", 0): [2], ("v", 0): [2]},
    ),
    "a border is written, at indices that count all channels": (
        "b = ScatterND(a, i, u)\n y = Conv(b, v)",
        {"i": mesh([0], range(6), [7], range(8)), "u": (1, 6, 1, 8), "v": (2, 6, 1, 1)},
        {("w", 0): [2], ("u", 1): [2], ("v", 1): [2]},
    ),
    "some channels are written, in another order": (
        "b = ScatterND(a, i, u)\n y = Conv(b, v)",
        {"i": mesh([0], [4, 2, -1], range(8), range(8)), "u": (1, 3, 8, 8), "v": (2, 6, 1, 1)},
        {("w", 0): [2], ("u", 1): [1], ("v", 1): [2]},
    ),
    "einsum": (
        'b = GlobalMaxPool(a)\n c = Squeeze(b, two)\n y = Einsum<equation="nc,oc->no">(c, v)',
        {"two": np.array([2, 3], np.int64), "v": (2, 6)},
        {("w", 0): [2], ("v", 1): [2]},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_goes_with_a_channel(name: str, runtime: Runtime) -> None:
    body, weights, expected = CASES[name]
    size = "N,3,2,2" if name == "flatten" else "N,3,8,8"
    outputs = {"flatten": "[N,2]", "reduce and matmul": "[N,2]", "einsum": "[N,2]", "depth to space": "[N,2,16,16]"}
    text = model(body, x=size, y=outputs.get(name, "[N,2,16,16]" if name == "resize" else ""))
    place = 0 if name == "depth to space" else 2
    analysis = analysed(runtime, text, {**W, **weights})
    assert gone(analysis, "w", 0, place) == expected


WALLS: dict[str, tuple[str, Weights, str]] = {
    "written at scattered places": (
        "b = ScatterND(a, i, u)\n y = Conv(b, v)",
        {"i": np.array([[0, 1, 2, 3], [0, 2, 0, 0]], np.int64), "u": (2,), "v": (2, 6, 1, 1)},
        "is written at indices",
    ),
    "written twice": (
        "b = ScatterND(a, i, u)\n y = Conv(b, v)",
        {"i": mesh([0], [1, 2, 1], range(8), range(8)), "u": (1, 3, 8, 8), "v": (2, 6, 1, 1)},
        "is written at indices",
    ),
    "graph output": ("b = Relu(a)\n y = Identity(b)", {}, "its shape is part of what the model promises"),
    "softmax": ("b = Softmax<axis=1>(a)\n y = Conv(b, v)", {"v": (2, 6, 1, 1)}, "a softmax runs over it"),
    "arg max": (
        "b = ArgMax<axis=1>(a)\n c = Cast<to=1>(b)\n y = Conv(c, v)",
        {"v": (2, 1, 1, 1)},
        "its elements are counted",
    ),
    "unknown domain": ("b = other.Thing(a)\n y = Conv(b, v)", {"v": (2, 6, 1, 1)}, "domain other"),
    "no rule": ("b = Det(a)\n y = Add(b, b)", {}, "this operator has no channel rule"),
    "local response": ("b = LRN<size=3>(a)\n y = Conv(b, v)", {"v": (2, 6, 1, 1)}, "local response normalisation"),
    "position of maxima": (
        "b, i = MaxPool<kernel_shape=[1,1]>(a)\n y = Conv(b, v)",
        {"v": (2, 6, 1, 1)},
        "it puts out the positions of maxima",
    ),
}


@pytest.mark.parametrize("name", WALLS)
def test_walls_are_named(name: str, runtime: Runtime) -> None:
    body, weights, reason = WALLS[name]
    analysis = analysed(runtime, model(body, y="[N,a,b,c]"), {**W, **weights}, domains=["other"])
    assert gone(analysis, "w", 0, 2) == {}
    (wall,) = (wall for wall in walls(analysis) if wall.node == "a")
    assert reason in str(wall)


def attention(runtime: Runtime, heads: int, size: int) -> Analysis:
    """q, k and v are cut into heads."""
    text = """g (float[N,5,4] x) => (float[N,5,4] y) {
        q0 = MatMul(x, wq)
        k0 = MatMul(x, wk)
        v0 = MatMul(x, wv)
        q1 = Reshape(q0, cut)
        k1 = Reshape(k0, cut)
        v1 = Reshape(v0, cut)
        q = Transpose<perm=[0,2,1,3]>(q1)
        k = Transpose<perm=[0,2,3,1]>(k1)
        v = Transpose<perm=[0,2,1,3]>(v1)
        s = MatMul(q, k)
        p = Softmax<axis=-1>(s)
        o = MatMul(p, v)
        t = Transpose<perm=[0,2,1,3]>(o)
        r = Reshape(t, back)
        y = MatMul(r, wo)
    }"""
    weights: Weights = dict.fromkeys(("wq", "wk", "wv"), (4, 12))
    weights |= {"wo": (12, 4), "cut": np.array([0, 5, heads, size], np.int64), "back": np.array([0, 5, 12], np.int64)}
    return analysed(runtime, text, weights)


def test_heads_of_an_attention_go_whole(runtime: Runtime) -> None:
    """A head takes its rows of q, k and v, and its columns of the projection."""
    analysis = attention(runtime, heads=4, size=3)
    assert gone(analysis, "wv", 1, 0) == {
        ("wq", 1): [0, 1, 2],
        ("wk", 1): [0, 1, 2],
        ("wv", 1): [0, 1, 2],
        ("wo", 0): [0, 1, 2],
    }


def test_of_few_heads_each_shrinks(runtime: Runtime) -> None:
    """No ratio cuts three heads in half. What q and k are compared by, and what v brings, are apart."""
    analysis = attention(runtime, heads=3, size=4)
    assert gone(analysis, "wq", 1, 1) == {("wq", 1): [1, 5, 9], ("wk", 1): [1, 5, 9]}
    assert gone(analysis, "wv", 1, 1) == {("wv", 1): [1, 5, 9], ("wo", 0): [1, 5, 9]}


def test_a_constant_that_two_layers_share_by_size_alone_is_two(runtime: Runtime) -> None:
    """The same bias of two convolutions: a vector that exporters share."""
    text = model("b = Add(a, s)\n c = Conv(b, u)\n d = Add(c, s)\n y = Conv(d, v)")
    analysis = analysed(runtime, text, {**W, "s": (6, 1, 1), "u": (6, 6, 1, 1), "v": (2, 6, 1, 1)})
    assert gone(analysis, "w", 0, 2) == {("w", 0): [2], ("s", 0): [2], ("u", 1): [2]}
    assert gone(analysis, "u", 0, 2) == {("u", 0): [2], ("s", 0): [2], ("v", 1): [2]}


def test_a_layer_that_is_used_twice_is_one(runtime: Runtime) -> None:
    text = model("b = Conv(a, u)\n c = Conv(b, u)\n y = Conv(c, v)")
    analysis = analysed(runtime, text, {**W, "u": (6, 6, 1, 1), "v": (2, 6, 1, 1)})
    assert gone(analysis, "w", 0, 2) == {("w", 0): [2], ("u", 0): [2], ("u", 1): [2], ("v", 1): [2]}


def test_what_is_repeated_along_the_batch_passes(runtime: Runtime) -> None:
    """Tile by a computed number: channels are repeated once, whatever the batch."""
    text = """g (float[N,3,8,8] x, int64[1] count) => (float[M,2,8,8] y) {
        a = Conv(x, w)
        times = Concat<axis=0>(count, ones)
        b = Tile(a, times)
        y = Conv(b, v)
    }"""
    weights: Weights = {**W, "ones": np.array([1, 1, 1], np.int64), "v": (2, 6, 1, 1)}
    graph = load(build(text, weights))
    oracle = Oracle(runtime)
    analysis = probed_analysis(Facts(graph, Shapes(oracle, graph), oracle=oracle))
    assert gone(analysis, "w", 0, 2) == {("w", 0): [2], ("v", 1): [2]}


def test_constants_joined_on_stay(runtime: Runtime) -> None:
    """Class tokens: nothing of the axis along which they are joined may go."""
    text = """g (float[1,3,4] x) => (float[1,5,2] y) {
        t = Concat<axis=1>(tokens, x)
        m = MatMul(t, w)
        y = MatMul(m, v)
    }"""
    analysis = analysed(runtime, text, {"tokens": (1, 2, 4), "w": (4, 6), "v": (6, 2)})
    assert gone(analysis, "tokens", 1, 0) == {}
    assert gone(analysis, "w", 1, 3) == {("w", 1): [3], ("v", 0): [3]}


def test_a_gate_of_one_channel_holds_nothing(runtime: Runtime) -> None:
    """Spatial attention: (N, 1, H, W) is broadcast over the channels."""
    text = model("g1 = Conv(a, u)\n h = Sigmoid(g1)\n s = Mul(a, h)\n y = Conv(s, v)")
    analysis = analysed(runtime, text, {**W, "u": (1, 6, 1, 1), "v": (2, 6, 1, 1)})
    assert gone(analysis, "w", 0, 2) == {("w", 0): [2], ("u", 1): [2], ("v", 1): [2]}


def test_hidden_units_of_a_recurrent_layer_are_tied_over_gates(runtime: Runtime) -> None:
    text = """g (float[5,N,3] x) => (float[5,1,N,2] y) {
        h, l, c = LSTM<hidden_size=4>(x, w, r, b)
        y = MatMul(h, v)
    }"""
    weights: Weights = {"w": (1, 16, 3), "r": (1, 16, 4), "b": (1, 32), "v": (4, 2)}
    analysis = analysed(runtime, text, weights)
    assert gone(analysis, "v", 0, 1) == {
        ("w", 1): [1, 5, 9, 13],
        ("r", 1): [1, 5, 9, 13],
        ("r", 2): [1],
        ("b", 1): [1, 5, 9, 13, 17, 21, 25, 29],
        ("v", 0): [1],
    }


def test_directions_and_initial_states_of_a_recurrent_layer_stay(runtime: Runtime) -> None:
    text = """g (float[5,3,3] x) => (float[5,2,3,2] y) {
        h, l, c = LSTM<hidden_size=4, direction="bidirectional">(x, w, r, b, , h0, c0, p)
        y = MatMul(h, v)
    }"""
    weights: Weights = {"w": (2, 16, 3), "r": (2, 16, 4), "b": (2, 32), "v": (4, 2)}
    states: Weights = {"h0": (2, 3, 4), "c0": (2, 3, 4), "p": (2, 12)}
    analysis = analysed(runtime, text, {**weights, **states})
    assert gone(analysis, "h0", 2, 1)["v", 0] == [1]
    for name in ("w", "r", "b", "h0", "c0", "p"):
        assert gone(analysis, name, 0, 1) == {}
    assert gone(analysis, "h0", 1, 0) == gone(analysis, "c0", 1, 0) == {}

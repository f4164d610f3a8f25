"""The exact removal of channels: planted ones are found in every kind of group, and nothing else goes.

Numbers as in the docstring of `RemoveChannels`; the proof is that of the pipeline.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import graphmorph
from graphmorph.errors import UsageError
from graphmorph.passes.remove_channels import RemoveChannels
from graphmorph.pipeline import FuseResult
from tests.passes.text_models import Weights, build, weights_of

PASSES = ("fold-constants", "remove-channels")


def exact(text: str, weights: Weights, tmp_path: Path) -> tuple[FuseResult, dict[str, tuple[int, ...]]]:
    """Run the pass on a model; its proof has to hold."""
    output = tmp_path / "small.onnx"
    result = graphmorph.fuse(build(text, weights), output, only=PASSES)
    assert result.ok, result.report.proof
    return result, {one.name: tuple(one.dims) for one in onnx.load(output).graph.initializer}


def planted(shapes: dict[str, tuple[int, ...]], seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


PLAIN = """g (float[N,3,8,8] x) => (float[N,4,PH,PW] y) {
    a = Conv(x, w, b)
    r = Relu(a)
    y = Conv<pads=[P,P,P,P]>(r, v, c)
}"""
SHAPES = {"w": (6, 3, 3, 3), "b": (6,), "v": (4, 6, 3, 3), "c": (4,)}


def plain(pads: int) -> str:
    size = {0: "4", 1: "6"}[pads]
    return PLAIN.replace("PH,PW", f"{size},{size}").replace("P,P,P,P", ",".join([str(pads)] * 4))


def test_channels_that_nobody_reads_go(tmp_path: Path) -> None:
    weights = planted(SHAPES)
    weights["v"][:, [1, 4]] = 0
    _, shapes = exact(plain(1), weights, tmp_path)
    assert shapes == {"w": (4, 3, 3, 3), "b": (4,), "v": (4, 4, 3, 3), "c": (4,)}


def test_constant_channels_go_into_the_next_bias(tmp_path: Path) -> None:
    weights = planted(SHAPES)
    weights["w"][2] = 0
    weights["b"][2] = 0.7
    result, shapes = exact(plain(0), weights, tmp_path)
    assert shapes["w"] == (5, 3, 3, 3)
    (site,) = [r for r in result.report.rewrites if r.pass_name == "remove-channels"]
    assert site.summary == "1 constant of 6 channels of a -> removed"


def test_a_constant_under_zero_padding_stays_with_a_reason(tmp_path: Path) -> None:
    weights = planted(SHAPES)
    weights["w"][2] = 0
    weights["b"][2] = 0.7
    result, shapes = exact(plain(1), weights, tmp_path)
    assert shapes["w"] == (6, 3, 3, 3)
    (refusal,) = [r for r in result.report.refusals if r.pass_name == "remove-channels"]
    assert "1 channels of a are constant, but Conv y pads it with zeros" in refusal.reason


def test_a_dead_relu_goes_though_there_is_padding(tmp_path: Path) -> None:
    weights = planted(SHAPES)
    weights["w"][2] = 0
    weights["b"][2] = -0.7
    _, shapes = exact(plain(1), weights, tmp_path)
    assert shapes["w"] == (5, 3, 3, 3)


def test_a_relu_that_is_dead_by_its_signs(tmp_path: Path) -> None:
    """Inputs are not negative behind a ReLU; weights and bias of one channel are."""
    text = """g (float[N,3,6,6] x) => (float[N,4,6,6] y) {
        p = Relu(x)
        a = Conv<pads=[1,1,1,1]>(p, w, b)
        r = Relu(a)
        y = Conv<pads=[1,1,1,1]>(r, v, c)
    }"""
    weights = planted(SHAPES)
    weights["w"][3] = -np.abs(weights["w"][3])
    weights["b"][3] = -0.1
    _, shapes = exact(text, weights, tmp_path)
    assert shapes["w"] == (5, 3, 3, 3)


def test_duplicates_are_merged(tmp_path: Path) -> None:
    weights = planted(SHAPES)
    for name in ("w", "b"):
        weights[name][5] = weights[name][0]
        weights[name][3] = weights[name][0]
    result, shapes = exact(plain(1), weights, tmp_path)
    assert shapes["w"] == (4, 3, 3, 3)
    (site,) = [r for r in result.report.rewrites if r.pass_name == "remove-channels"]
    assert site.summary == "2 duplicate of 6 channels of a -> removed"


def test_one_channel_stays_of_a_group_that_is_dead(tmp_path: Path) -> None:
    weights = planted(SHAPES)
    weights["v"][:] = 0
    _, shapes = exact(plain(1), weights, tmp_path)
    assert shapes["w"] == (1, 3, 3, 3)


def test_a_model_without_dead_channels_is_left_alone(tmp_path: Path) -> None:
    result, shapes = exact(plain(1), planted(SHAPES), tmp_path)
    assert shapes == SHAPES
    assert not result.report.changed


RELU_BN = "BatchNormalization(a, s, o, m, q)"
GROUPS: dict[str, tuple[str, dict[str, tuple[int, ...]], list[str], list[str], dict[str, tuple[int, ...]]]] = {
    # text, shapes, rows that make channel (axis 0), positive ones, shapes after channel 2 went
    "residual": (
        """g (float[N,3,8,8] x) => (float[N,4,8,8] y) {
            a = Conv(x, w, b)
            d = Conv(x, u, e)
            f = Add(a, d)
            r = Relu(f)
            y = Conv(r, v)
        }""",
        {"w": (6, 3, 1, 1), "b": (6,), "u": (6, 3, 1, 1), "e": (6,), "v": (4, 6, 1, 1)},
        ["w", "b", "u", "e"],
        [],
        {"w": (5, 3, 1, 1), "b": (5,), "u": (5, 3, 1, 1), "e": (5,), "v": (4, 5, 1, 1)},
    ),
    "batch norm": (
        """g (float[N,3,8,8] x) => (float[N,4,8,8] y) {
            a = Conv(x, w)
            n = BatchNormalization(a, s, o, m, q)
            r = Relu(n)
            y = Conv(r, v)
        }""",
        {"w": (6, 3, 1, 1), "s": (6,), "o": (6,), "m": (6,), "q": (6,), "v": (4, 6, 1, 1)},
        ["w", "s", "o", "m", "q"],
        ["q"],
        {"w": (5, 3, 1, 1), "s": (5,), "o": (5,), "m": (5,), "q": (5,), "v": (4, 5, 1, 1)},
    ),
    "dense concat": (
        """g (float[N,3,8,8] x) => (float[N,4,8,8] y) {
            a = Conv(x, w, b)
            d = Conv(a, u)
            f = Concat<axis=1>(d, a)
            g1 = Conv(f, t)
            h = Concat<axis=1>(g1, d, a)
            y = Conv(h, v)
        }""",
        {"w": (6, 3, 1, 1), "b": (6,), "u": (5, 6, 1, 1), "t": (3, 11, 1, 1), "v": (4, 14, 1, 1)},
        ["w", "b"],
        [],
        {"w": (5, 3, 1, 1), "b": (5,), "u": (5, 5, 1, 1), "t": (3, 10, 1, 1), "v": (4, 13, 1, 1)},
    ),
    "depthwise": (
        """g (float[N,3,8,8] x) => (float[N,4,8,8] y) {
            a = Conv(x, w, b)
            r = Relu(a)
            d = Conv<group=6, pads=[1,1,1,1]>(r, u)
            y = Conv(d, v)
        }""",
        {"w": (6, 3, 1, 1), "b": (6,), "u": (6, 1, 3, 3), "v": (4, 6, 1, 1)},
        ["w", "b", "u"],
        [],
        {"w": (5, 3, 1, 1), "b": (5,), "u": (5, 1, 3, 3), "v": (4, 5, 1, 1)},
    ),
    "flatten to linear": (
        """g (float[N,3,4,4] x) => (float[N,4] y) {
            a = Conv(x, w, b)
            r = Relu(a)
            f = Flatten(r)
            y = Gemm<transB=1>(f, v)
        }""",
        {"w": (6, 3, 1, 1), "b": (6,), "v": (4, 96)},
        ["w", "b"],
        [],
        {"w": (5, 3, 1, 1), "b": (5,), "v": (4, 80)},
    ),
    "matrix product without a bias": (
        """g (float[N,5,3] x) => (float[N,5,4] y) {
            a = MatMul(x, w)
            d = Add(a, b)
            r = Tanh(d)
            f = MatMul(r, v)
            y = Relu(f)
        }""",
        {"w": (3, 6), "b": (6,), "v": (6, 4)},
        ["w", "b"],
        [],
        {"w": (3, 5), "b": (5,), "v": (5, 4)},
    ),
    "u-net skip": (
        """g (float[N,3,8,8] x) => (float[N,4,8,8] y) {
            a = Conv(x, w, b)
            r = Relu(a)
            p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(r)
            d = Conv(p, u)
            up = ConvTranspose<strides=[2,2]>(d, t)
            j = Concat<axis=1>(up, r)
            y = Conv(j, v)
        }""",
        {"w": (6, 3, 1, 1), "b": (6,), "u": (5, 6, 1, 1), "t": (5, 3, 2, 2), "v": (4, 9, 1, 1)},
        ["w", "b"],
        [],
        {"w": (5, 3, 1, 1), "b": (5,), "u": (5, 5, 1, 1), "t": (5, 3, 2, 2), "v": (4, 8, 1, 1)},
    ),
}


def _rows(array: np.ndarray, name: str, kind: str) -> np.ndarray:
    """The axis of a constant that makes the channels."""
    return array.T if kind == "matrix product without a bias" and array.ndim == 2 else array


@pytest.mark.parametrize("plant", ["constant", "duplicate"])
@pytest.mark.parametrize("kind", GROUPS)
def test_planted_channels_are_found(kind: str, plant: str, tmp_path: Path) -> None:
    text, shapes, makers, positive, expected = GROUPS[kind]
    weights = planted(shapes)
    for name in positive:
        weights[name] = np.abs(weights[name]) + 0.5
    for name in makers:
        rows = _rows(weights[name], name, kind)
        if plant == "duplicate":
            rows[2] = rows[0]
        elif rows.ndim > 1 and name != "u":
            rows[2] = 0
    if plant == "constant" and kind == "residual":
        weights["u"][2] = 0
    if plant == "constant" and kind == "depthwise":
        weights["b"][2] = -0.5  # zero behind the ReLU, whatever the padding
    result, found = exact(text, weights, tmp_path)
    assert {name: found[name] for name in expected} == expected
    assert plant in result.report.rewrites[-1].summary or "unread" in result.report.rewrites[-1].summary


def test_duplicate_heads_of_an_attention_stay_and_dead_ones_go(tmp_path: Path) -> None:
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
    weights = planted({"wq": (4, 9), "wk": (4, 9), "wv": (4, 9), "wo": (9, 4)})
    weights["wo"][3:6] = 0
    sizes = {"cut": np.array([0, 5, 3, 3], np.int64), "back": np.array([0, 5, 9], np.int64)}
    _, shapes = exact(text, {**weights, **sizes}, tmp_path)
    assert {name: shapes[name] for name in ("wq", "wk", "wv", "wo")} == {
        "wq": (4, 6),
        "wk": (4, 6),
        "wv": (4, 6),
        "wo": (6, 4),
    }


def test_shuffled_channels(tmp_path: Path) -> None:
    """Channels 1 and 4 are tied by the shuffle: they go together or not at all."""
    text = """g (float[N,3,8,8] x) => (float[N,2,8,8] y) {
        a = Conv(x, w, b)
        c = Reshape(a, cut)
        d = Transpose<perm=[0,2,1,3,4]>(c)
        e = Reshape(d, back)
        y = Conv(e, v)
    }"""
    sizes = {"cut": np.array([0, 2, 3, 8, 8], np.int64), "back": np.array([0, 6, 8, 8], np.int64)}
    weights = planted({"w": (6, 3, 1, 1), "b": (6,), "v": (2, 6, 1, 1)})
    weights["w"][[1, 4]] = 0
    _, shapes = exact(text, {**weights, **sizes}, tmp_path)
    assert (shapes["w"], shapes["v"]) == ((4, 3, 1, 1), (2, 4, 1, 1))


def test_grouped_channels_go_in_every_group(tmp_path: Path) -> None:
    text = """g (float[N,3,8,8] x) => (float[N,2,8,8] y) {
        a = Conv(x, w, b)
        d = Conv<group=2>(a, u, e)
        y = Conv(d, v)
    }"""
    weights = planted({"w": (6, 3, 1, 1), "b": (6,), "u": (4, 3, 1, 1), "e": (4,), "v": (2, 4, 1, 1)})
    weights["w"][[1, 4]] = 0
    _, shapes = exact(text, weights, tmp_path)
    assert (shapes["w"], shapes["u"]) == ((4, 3, 1, 1), (4, 2, 1, 1))


def test_what_a_layer_norm_takes_in_stays(tmp_path: Path) -> None:
    text = """g (float[N,5,3] x) => (float[N,5,4] y) {
        a = MatMul(x, w)
        n = LayerNormalization(a, s)
        y = MatMul(n, v)
    }"""
    weights = planted({"w": (3, 6), "s": (6,), "v": (6, 4)})
    weights["w"][:, 2] = 0
    result, shapes = exact(text, weights, tmp_path)
    assert shapes["w"] == (3, 6)
    assert any("takes statistics over it" in r.reason for r in result.report.refusals)


def test_exact_takes_no_options_of_the_approximate_form() -> None:
    with pytest.raises(UsageError, match="need a ratio or a target"):
        RemoveChannels(criterion="l1")
    assert RemoveChannels(ratio=0.5).kind == "approximate"
    assert RemoveChannels().kind == "exact"
    assert "chosen" not in RemoveChannels.options()


def test_a_ratio_in_a_pipeline(tmp_path: Path) -> None:
    output = tmp_path / "half.onnx"
    result = graphmorph.fuse(
        build(plain(1), weights_of(SHAPES)),
        output,
        only=PASSES,
        pass_options={"remove-channels": {"ratio": 0.5, "round_to": 1}},
    )
    assert result.exit_code == 0
    assert {one.name: tuple(one.dims) for one in onnx.load(output).graph.initializer}["w"] == (3, 3, 3, 3)

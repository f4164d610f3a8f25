"""The average kernel magnitudes of whole models: which kernels count, in which form, and what is said of the others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import graphmorph
from graphmorph.kernels.inspection import KernelReport
from graphmorph.onnx_door import load, to_model
from tests.passes.text_models import build, norm

RNG = np.random.default_rng(7)
SQUARE, ROW, COLUMN = (RNG.normal(size=(4, 4, *size)) for size in ((3, 3), (1, 3), (3, 1)))
ASYMMETRIC = build(
    """g (float[N,4,8,8] x) => (float[N,4,8,8] y) {
        a = Conv<pads=[1,1,1,1]>(x, w)
        b = Conv<pads=[0,1,0,1]>(x, h)
        c = Conv<pads=[1,0,1,0]>(x, v)
        d = Add(a, b)
        y = Add(d, c)
    }""",
    {"w": SQUARE, "h": ROW, "v": COLUMN},
)
AS_STORED = {"skip": ["fuse-branches", "fold-batchnorm"]}
MIXED = build(
    """g (float[N,4,9,9] x) => (float[N,4,9,9] y) {
        a = Conv<pads=[1,1,1,1]>(x, one)
        b = Relu(a)
        c = Conv<pads=[1,1,1,1]>(b, two)
        d = Relu(c)
        e = Conv<pads=[2,2,2,2]>(d, five)
        f = Relu(e)
        g = Conv(f, point)
        h = Relu(g)
        i = Conv<pads=[1,1,1,1]>(h, one)
        j = Relu(i)
        k = Conv<pads=[0,1,0,1]>(j, row)
        l = Relu(k)
        m = Conv<auto_pad="SAME_UPPER">(l, even)
        n = Relu(m)
        y = Conv<pads=[1,1,1,1]>(n, empty)
    }""",
    {
        "one": RNG.normal(size=(4, 4, 3, 3)),
        "two": RNG.normal(size=(4, 4, 3, 3)),
        "five": RNG.normal(size=(4, 4, 5, 5)),
        "point": RNG.normal(size=(4, 4, 1, 1)),
        "row": ROW,
        "even": RNG.normal(size=(4, 4, 2, 2)),
        "empty": np.zeros((4, 4, 3, 3)),
    },
)


def relative(kernel: np.ndarray) -> np.ndarray:
    magnitude = abs(kernel.astype(np.float32).astype(np.float64)).sum(axis=(0, 1))
    return np.asarray(magnitude / magnitude.max())


def weights(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_the_kernels_are_those_of_the_fused_branches() -> None:
    (found,) = graphmorph.inspect_kernels(ASYMMETRIC).sizes
    fused = SQUARE.copy()
    fused[:, :, 1:2, :] += ROW
    fused[:, :, :, 1:2] += COLUMN
    np.testing.assert_allclose(found.matrix, relative(fused), rtol=1e-6)


def test_without_the_fusing_passes_they_are_as_stored() -> None:
    report = graphmorph.inspect_kernels(ASYMMETRIC, **AS_STORED)
    (found,) = report.sizes
    np.testing.assert_allclose(found.matrix, relative(SQUARE), rtol=1e-12)
    assert [refusal.reason for refusal in report.skipped] == [
        "its 1 x 3 kernel is not square",
        "its 3 x 1 kernel is not square",
    ]


def test_batch_normalization_scales_filters() -> None:
    model = build(
        """g (float[N,4,8,8] x) => (float[N,6,8,8] y) {
            c = Conv<pads=[1,1,1,1]>(x, w)
            y = BatchNormalization(c, s, b, m, v)
        }""",
        {"w": (6, 4, 3, 3), **norm(6)},
    )
    have = weights(model)
    scale = have["s"].astype(np.float64) / np.sqrt(have["v"].astype(np.float64) + 1e-5)
    folded = graphmorph.inspect_kernels(model)
    np.testing.assert_allclose(folded.sizes[0].matrix, relative(have["w"] * scale[:, None, None, None]), rtol=1e-6)
    assert folded.notes == []
    kept = graphmorph.inspect_kernels(model, keep=["y"])
    np.testing.assert_allclose(kept.sizes[0].matrix, relative(have["w"]), rtol=1e-12)
    assert kept.notes == [
        "batch normalizations that scale kernels and are not in the numbers: 1; "
        "graphmorph inspect says why they are not folded"
    ]


@pytest.fixture(scope="module")
def mixed() -> KernelReport:
    return graphmorph.inspect_kernels(MIXED)


def test_sizes_are_averaged_apart(mixed: KernelReport) -> None:
    have = weights(MIXED)
    three, five = mixed.sizes
    assert (three.size, five.size) == (3, 5)
    assert [layer.weight for layer in three.layers] == ["one", "two"]
    expected = (relative(have["one"]) + relative(have["two"])) / 2
    np.testing.assert_allclose(three.matrix, expected, rtol=1e-12)
    np.testing.assert_allclose(five.matrix, relative(have["five"]), rtol=1e-12)
    middle = (expected[1].sum() + expected[0, 1] + expected[2, 1]) / 5
    assert three.skeleton == pytest.approx(middle)
    assert three.corner == pytest.approx((9 * expected.mean() - 5 * middle) / 4)


def test_every_other_convolution_is_accounted_for(mixed: KernelReport) -> None:
    assert {refusal.node: refusal.reason for refusal in mixed.skipped} == {
        "g": "its 1 x 1 kernel has one position",
        "i": "its kernel is that of a, where it is counted",
        "k": "its 1 x 3 kernel is not square",
        "m": "its 2 x 2 kernel has no centre",
        "y": "all its weights are zero",
    }


def test_kernels_of_other_ranks_computed_ones_and_damaged_nodes() -> None:
    model = build(
        """g (float[N,4,8] x, float[4,4,3,3] w, float[N,4,8,8] z) => (float[N,4,8] y, float[N,4,8,8] u) {
            y = Conv<pads=[1,1]>(x, line)
            u = Conv<pads=[1,1,1,1]>(z, w)
            alone = Conv(z)
        }""",
        {"line": (4, 4, 3)},
    )
    report = graphmorph.inspect_kernels(model, skip=["fold-constants"])
    assert report.sizes == []
    assert {refusal.node: refusal.reason for refusal in report.skipped} == {
        "y": "its kernel has 1 spatial dimensions instead of 2",
        "u": "its weight is no constant: w",
        "alone": "Conv has 1 inputs; 2 to 3 are allowed",
    }


def test_a_model_stays_as_it_is() -> None:
    graph = load(ASYMMETRIC)
    before = to_model(graph)
    graphmorph.inspect_kernels(graph)
    assert to_model(graph) == before


def test_it_is_plain_data(mixed: KernelReport, tmp_path: Path) -> None:
    data = json.loads(json.dumps(mixed.to_json()))
    three = data["sizes"][0]
    assert (three["size"], three["layer_count"]) == (3, 2)
    assert three["matrix"] == mixed.sizes[0].matrix.tolist()
    assert three["layers"][1]["layer"] == "c"
    assert three["layers"][1]["shape"] == [4, 4, 3, 3]
    assert data["skipped"][0] == {"node": "g", "op": "Conv", "reason": "its 1 x 1 kernel has one position"}

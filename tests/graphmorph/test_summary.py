"""Sizes of models: nodes, parameters, bytes, multiply-adds, branch sums."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.facts import Facts
from graphmorph.onnx_door import load
from graphmorph.oracle import Oracle
from graphmorph.report import ModelSummary
from graphmorph.runtime import Runtime
from graphmorph.summary import summarise
from tests.passes.text_models import Weight, build, norm


def summary_of(runtime: Runtime, text: str, weights: dict[str, Weight], **options: str) -> ModelSummary:
    graph = load(build(text, weights, dtype=options.get("dtype", "float"), domains=["ex"]))
    return summarise(Facts(graph, lambda: Oracle(runtime).shapes(graph)))


def test_nodes_parameters_and_bytes(runtime: Runtime) -> None:
    text = """g (float[1,4,8,8] x) => (float[P,Q] y) {
        c = Conv<pads=[1,1,1,1]>(x, w)
        d = BatchNormalization(c, s, b, m, v)
        e = Conv<pads=[1,1,1,1]>(d, w)
        y = Reshape(e, shape)
    }"""
    weights = {"w": (4, 4, 3, 3), **norm(4), "shape": np.array([1, -1]), "unread": (100,)}
    found = summary_of(runtime, text, weights)
    assert found.nodes == 4
    assert found.operators == {"Conv": 2, "BatchNormalization": 1, "Reshape": 1}
    assert (found.convolutions, found.batchnorms) == (2, 1)
    assert found.parameters == 144 + 16
    assert found.weight_bytes == 4 * (144 + 16) + 16
    assert found.macs == 2 * 8 * 8 * 144
    assert summary_of(runtime, text, weights, dtype="float16").weight_bytes == 2 * (144 + 16) + 16


@pytest.mark.parametrize(
    ("text", "weight", "macs"),
    [
        (
            "g (float[1,4,8,8] x) => (float[1,6,P,Q] y) { y = Conv<strides=[2,2]>(x, w) }",
            (6, 4, 3, 3),
            3 * 3 * 6 * 36,
        ),
        ("g (float[N,4,8,8] x) => (float[N,6,P,Q] y) { y = Conv(x, w) }", (6, 4, 3, 3), 6 * 6 * 6 * 36),
        (
            "g (float[1,4,5] x) => (float[1,6,P] y) { y = ConvTranspose<strides=[2]>(x, w) }",
            (4, 6, 3),
            4 * 5 * 6 * 3,
        ),
        ("g (float[3,4] x) => (float[3,6] y) { y = Gemm<transB=1>(x, w) }", (6, 4), 3 * 6 * 4),
        ("g (float[4,3] x) => (float[3,6] y) { y = Gemm<transA=1>(x, w) }", (4, 6), 3 * 6 * 4),
        ("g (float[2,3,4] x) => (float[2,3,6] y) { y = MatMul(x, w) }", (4, 6), 2 * 3 * 6 * 4),
    ],
)
def test_multiply_adds(runtime: Runtime, text: str, weight: tuple[int, ...], macs: int) -> None:
    assert summary_of(runtime, text, {"w": weight}).macs == macs


def test_unknown_shapes_give_no_number(runtime: Runtime) -> None:
    text = "g (float[1,4,8,8] x) => (float[1,6,P,Q] y) { r = ex.Foo(x) y = Conv(r, w) }"
    assert summary_of(runtime, text, {"w": (6, 4, 3, 3)}).macs is None


@pytest.mark.parametrize(
    ("total", "sums"),
    [("e = Add(c, d) y = Relu(e)", 1), ("y = Sum(c, d, x)", 1), ("e = Relu(c) y = Add(e, x)", 0)],
)
def test_sums_of_branches(runtime: Runtime, total: str, sums: int) -> None:
    text = f"g (float[1,4,8,8] x) => (float[1,4,8,8] y) {{ c = Conv(x, w) d = Conv(x, u) {total} }}"
    assert summary_of(runtime, text, {"w": (4, 4, 1, 1), "u": (4, 4, 1, 1)}).branch_adds == sums

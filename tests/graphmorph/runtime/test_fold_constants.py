"""onnxruntime as an oracle for constants: it must fold all of them, and rewrite nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from graphmorph.runtime import Runtime
from graphmorph.runtime.sessions import _NOT_CONSTANT_FOLDING
from tests.graphmorph.proof.small_models import build

# Everything that the other BASIC optimizers would fuse, beside one constant expression for each spelling.
TEXT = """g (float[N,3,8,8] x) => (float[N,4,6,6] y, float[N,4] z) {
    two = Constant<value_float = 2.0>()
    four = Mul(two, two)
    axes = Constant<value_ints = [0, 2, 3]>()
    scale = Mul(s, four)
    scale4 = Unsqueeze(scale, axes)
    same = Identity(scale4)
    pad = Constant<value = int64[8] {0,0,1,1,0,0,1,1}>()
    p = Pad(x, pad)
    c0 = Conv(p, w)
    c1 = BatchNormalization(c0, s, s, s, s)
    c2 = Add(c1, k)
    c3 = Mul(c2, same)
    c4 = Identity(c3)
    c5 = Dropout(c4)
    c6 = Transpose<perm=[0,2,3,1]>(c5)
    c7 = Transpose<perm=[0,3,1,2]>(c6)
    r = Relu(c7)
    zero = Constant<value_float = 0.0>()
    n = Add(r, zero)
    cv = Conv(n, v)
    y = Mul(cv, k)
    g = GlobalAveragePool(n)
    f = Flatten(g)
    m = MatMul(f, q)
    z = Add(m, s)
}"""


def model_bytes() -> bytes:
    rng = np.random.default_rng(0)
    shapes = {"w": (4, 3, 3, 3), "s": (4,), "k": (1, 4, 1, 1), "v": (4, 4, 3, 3), "q": (4, 4)}
    weights = {name: rng.random(shape).astype(np.float32) for name, shape in shapes.items()}
    return bytes(build(TEXT, weights).SerializeToString())


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with Runtime() as one:
        yield one


def test_constants_are_found(runtime: Runtime) -> None:
    values = runtime.fold_constants(model_bytes())
    assert {"same", "pad", "zero"} <= values.keys()
    assert values["same"].shape == (1, 4, 1, 1)
    assert not values.keys() & {"w", "s", "k", "v", "q", "x", "c0", "c1", "c2", "c3", "y", "z"}


def test_big_values_are_left_out(runtime: Runtime) -> None:
    text = """g (float[N] x) => (float[N] y, float[5000] t) { n = Constant<value_ints = [5000]>()
        big = ConstantOfShape(n) s = ReduceSum<keepdims=0>(big) y = Add(x, s) t = Add(big, big) }"""
    model = bytes(build(text).SerializeToString())
    assert "t" in runtime.fold_constants(model)
    assert "t" not in runtime.fold_constants(model, max_bytes=1000)


def test_nothing_but_constants_is_folded(tmp_path: Path) -> None:
    """Pins the list of disabled optimizers against the installed onnxruntime."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 4
    ort.InferenceSession(
        model_bytes(), options, providers=["CPUExecutionProvider"], disabled_optimizers=_NOT_CONSTANT_FOLDING
    )
    left = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    kept = "Pad Conv BatchNormalization Add Mul Identity Dropout Transpose Transpose Relu Add Conv Mul"
    assert sorted(left) == sorted([*kept.split(), "GlobalAveragePool", "Flatten", "MatMul", "Add"])


def test_what_is_not_constant_is_left_alone(runtime: Runtime) -> None:
    """Random operators and inputs are not constant, in subgraphs neither."""
    text = """g (float[N] x) => (float[N] y, float[2] r) { r = RandomNormal<shape=[2]>()
        c = Constant<value = bool {1}>()
        y = If (c) <then_branch = t () => (float[N] a) { a = Neg(x) },
                    else_branch = e () => (float[N] b) { b = Abs(x) }> }"""
    values = runtime.fold_constants(bytes(build(text).SerializeToString()))
    assert values.keys() <= {"c"}

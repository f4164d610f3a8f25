"""Small networks to insert layers into, as ONNX text, and data for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from tests.passes.text_models import Weight, build

#: a (4 channels) is read by a convolution, r by another through a pooling, q (5 channels) by the Gemm.
CONVOLUTIONS = """g (float[N,3,8,8] x) => (float[N,3] y) {
    c = Conv<pads=[1,1,1,1]>(x, w0, b0)
    a = Relu(c)
    d = Conv<pads=[1,1,1,1]>(a, w1, b1)
    r = Relu(d)
    p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(r)
    e = Conv(p, w2, b2)
    s = Relu(e)
    o = GlobalAveragePool(s)
    q = Flatten(o)
    y = Gemm<transB=1>(q, w3, b3)
}"""
CONVOLUTIONS_WEIGHTS: dict[str, Weight] = {
    "w0": (4, 3, 3, 3),
    "b0": (4,),
    "w1": (6, 4, 3, 3),
    "b1": (6,),
    "w2": (5, 6, 3, 3),
    "b2": (5,),
    "w3": (3, 5),
    "b3": (3,),
}
DENSE = "g (float[N,4] x) => (float[N,3] y) { c = Gemm(x, w0, b0) a = Relu(c) y = Gemm<transB=1>(a, w1) }"
DENSE_WEIGHTS: dict[str, Weight] = {"w0": (4, 5), "b0": (5,), "w1": (3, 5)}
TOKENS = """g (float[N,T,4] x) => (float[N,T,3] y) {
    c = MatMul(x, w0) a = Relu(c) m = MatMul(a, w1) y = Add(m, b1)
}"""
TOKENS_WEIGHTS: dict[str, Weight] = {"w0": (4, 5), "w1": (5, 3), "b1": (3,)}
FLAT = """g (float[N,3,4,4] x) => (float[N,3] y) {
    c = Conv(x, w0, b0) a = Relu(c) f = Flatten(a) y = Gemm<transB=1>(f, w1, b1)
}"""
FLAT_WEIGHTS: dict[str, Weight] = {"w0": (5, 3, 3, 3), "b0": (5,), "w1": (3, 20), "b1": (3,)}


def convolutions(dtype: str = "float") -> onnx.ModelProto:
    return build(CONVOLUTIONS, CONVOLUTIONS_WEIGHTS, dtype=dtype)


def saved(folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(convolutions(), path)
    return path


def samples(*shape: int, dtype: str = "float32", seed: int = 0) -> dict[str, np.ndarray]:
    """Gaussian numbers for the input x."""
    return {"x": np.random.default_rng(seed).standard_normal(shape).astype(dtype)}


def images(count: int = 40, seed: int = 0) -> dict[str, np.ndarray]:
    return samples(count, 3, 8, 8, seed=seed)


def outputs(model: onnx.ModelProto | Path | str, feeds: dict[str, np.ndarray]) -> np.ndarray:
    """What onnxruntime makes of it, optimizations off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    given = model.SerializeToString() if isinstance(model, onnx.ModelProto) else str(model)
    return np.asarray(onnxruntime.InferenceSession(given, options, ["CPUExecutionProvider"]).run(None, feeds)[0])


def change(before: np.ndarray, after: np.ndarray) -> float:
    """The norm of the difference by the norm of the first."""
    first, second = before.astype(np.float64), after.astype(np.float64)
    return float(np.linalg.norm(first - second) / np.linalg.norm(first))

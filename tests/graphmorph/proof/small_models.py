"""Small ONNX models for the tests of proofs and of the runtime, as text with seeded weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser

HEADER = '<ir_version: 8, opset_import: ["": 17]>'

# Two 3x3 convolutions with a BatchNormalization between them, any batch, height and width.
CONVNET = """g (float[N,3,H,W] x) => (float[N,4,H,W] y, float[N,4,1,1] pooled) {
    c1 = Conv<pads=[1,1,1,1]>(x, w1, b1)
    n1 = BatchNormalization(c1, gamma, beta, mean, var)
    r1 = Relu(n1)
    y = Conv<pads=[1,1,1,1]>(r1, w2, b2)
    pooled = GlobalAveragePool(y)
}"""


def convnet_weights() -> dict[str, np.ndarray]:
    """w1: (8, 3, 3, 3), w2: (4, 8, 3, 3), with biases and the four vectors of the BatchNormalization."""
    rng = np.random.default_rng(7)
    weights = {
        "w1": rng.standard_normal((8, 3, 3, 3)) / 5,
        "b1": rng.standard_normal(8),
        "gamma": rng.random(8) + 0.5,
        "beta": rng.standard_normal(8),
        "mean": rng.standard_normal(8),
        "var": rng.random(8) + 0.5,
        "w2": rng.standard_normal((4, 8, 3, 3)) / 8,
        "b2": rng.standard_normal(4),
    }
    return {name: array.astype(np.float32) for name, array in weights.items()}


def build(text: str, weights: dict[str, np.ndarray] | None = None, header: str = HEADER) -> onnx.ModelProto:
    """A model from ONNX text and its initializers."""
    model = onnx.parser.parse_model(f"{header} {text}")
    for name, array in (weights or {}).items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return model


def store(folder: Path, name: str, text: str, weights: dict[str, np.ndarray] | None = None) -> Path:
    """`build`, saved; returns the file."""
    path = folder / f"{name}.onnx"
    onnx.save(build(text, weights), path)
    return path


def convnet(folder: Path, name: str = "reference") -> Path:
    """The convolutional model."""
    return store(folder, name, CONVNET, convnet_weights())


def folded_convnet(folder: Path, name: str = "folded") -> Path:
    """The convolutional model with its BatchNormalization folded in float64: equal to it but for rounding."""
    return store(folder, name, FOLDED, folded_weights())


FOLDED = CONVNET.replace("    n1 = BatchNormalization(c1, gamma, beta, mean, var)\n", "").replace("c1 =", "n1 =")


def folded_weights() -> dict[str, np.ndarray]:
    """Weights of `FOLDED`."""
    weights = {name: array.astype(np.float64) for name, array in convnet_weights().items()}
    scale = weights["gamma"] / np.sqrt(weights["var"] + 1e-5)
    weights["w1"] = weights["w1"] * scale[:, None, None, None]
    weights["b1"] = (weights["b1"] - weights["mean"]) * scale + weights["beta"]
    kept = ("w1", "b1", "w2", "b2")
    return {name: weights[name].astype(np.float32) for name in kept}

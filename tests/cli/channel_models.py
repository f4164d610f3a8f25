"""Small models with channels to remove, for the tests of `prune` and `groups`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from tests.passes.text_models import Weight, build

CLASSIFIER = """g (float[N,3,8,8] x) => (float[N,10] y) {
    a = Conv<pads=[1,1,1,1]>(x, w1, b1) r = Relu(a)
    c = Conv(r, w2) s = Relu(c)
    p = GlobalAveragePool(s) f = Flatten(p) y = Gemm<transB=1>(f, wf, bf)
}"""
CLASSIFIER_WEIGHTS: dict[str, Weight] = {
    "w1": (16, 3, 3, 3),
    "b1": (16,),
    "w2": (24, 16, 3, 3),
    "wf": (10, 24),
    "bf": (10,),
}
WALLED = "g (float[N,3,8,8] x) => (float[N,4,6,6] y) { y = Conv(x, w) }"
GROUPED = """g (float[N,3,8,8] x) => (float[N,2,4,4] y) {
    a = Conv(x, w1) b = Conv<group=4>(a, w2) y = Conv(b, w3)
}"""


def classifier(path: Path, *, dead: int = 0) -> Path:
    """Convolutions of 16 and 24 channels, and 10 classes. The first `dead` of the 16 have no weights."""
    model = build(CLASSIFIER, CLASSIFIER_WEIGHTS)
    for tensor in model.graph.initializer:
        if tensor.name in ("w1", "b1") and dead:
            array = onnx.numpy_helper.to_array(tensor).copy()
            array[:dead] = 0
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    return saved(model, path)


def walled(path: Path) -> Path:
    """One convolution, whose channels are the model's output."""
    return saved(build(WALLED, {"w": (4, 3, 3, 3)}), path)


def grouped(path: Path) -> Path:
    """A convolution in four groups between two others."""
    return saved(build(GROUPED, {"w1": (16, 3, 3, 3), "w2": (16, 4, 3, 3), "w3": (2, 16, 1, 1)}), path)


def saved(model: onnx.ModelProto, path: Path) -> Path:
    onnx.save(model, path)
    return path


def samples(path: Path, count: int = 32) -> Path:
    """An .npz with images `x` and their `labels`."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(count, 3, 8, 8)).astype(np.float32)
    np.savez(path, x=images, labels=rng.integers(10, size=count))
    return path


def widths(path: Path) -> dict[str, list[int]]:
    """Sizes of the weights of a file."""
    return {tensor.name: list(tensor.dims) for tensor in onnx.load(path).graph.initializer}

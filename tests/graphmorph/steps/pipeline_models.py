"""A classifier with something to fuse and something to prune, for the tests of pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx

from tests.passes.text_models import Weight, build, norm

TEXT = """g (float[N,3,8,8] x) => (float[N,10] y) {
    a = Conv<pads=[1,1,1,1]>(x, w1) n = BatchNormalization(a, s, b, m, v) r = Relu(n)
    c = Conv(r, w2) t = Relu(c)
    p = GlobalAveragePool(t) f = Flatten(p) y = Gemm<transB=1>(f, wf, bf)
}"""
WEIGHTS: dict[str, Weight] = {
    "w1": (16, 3, 3, 3),
    **norm(16),
    "w2": (24, 16, 3, 3),
    "wf": (10, 24),
    "bf": (10,),
}
Steps = list[dict[str, Any]]

TWO_STEPS: Steps = [{"run": "fuse"}, {"run": "prune", "ratio": 0.5, "latency": False}]


def classifier(path: Path) -> Path:
    """Convolutions of 16 (normalised) and 24 channels, and 10 classes."""
    onnx.save(build(TEXT, WEIGHTS), path)
    return path


def operators(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path, load_external_data=False).graph.node]

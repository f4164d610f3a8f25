"""The pipeline that `graphmorph.fuse` runs, as rewrite functions for the random regions."""

from __future__ import annotations

import atexit
from functools import cache

import numpy as np

from graphmorph.graph import Graph
from graphmorph.manager import PassManager
from graphmorph.pipeline import passes_for
from graphmorph.runtime import Runtime
from graphmorph.runtime.onnx_checks import infer_shapes
from graphmorph.runtime.protocol import TensorFacts


@cache
def shared_runtime() -> Runtime:
    """One child process for all regions of a run."""
    runtime = Runtime()
    atexit.register(runtime.shutdown)
    return runtime


def pipeline(graph: Graph) -> Graph:
    """All passes of `graphmorph.fuse`, with the child process that it uses."""
    return PassManager(passes_for(), runtime=shared_runtime()).run(graph).graph


class ShapesInProcess(Runtime):
    """Infers shapes without a child process and folds no constants: regions have no shape arithmetic."""

    def infer_shapes(self, model_bytes: bytes) -> dict[str, TensorFacts]:
        return {
            name: TensorFacts(dtype, None if shape is None else tuple(shape))
            for name, dtype, shape in infer_shapes(model_bytes)
        }

    def fold_constants(self, model_bytes: bytes, *, max_bytes: int | None = None) -> dict[str, np.ndarray]:
        return {}

    def evaluate(self, model_bytes: bytes) -> dict[str, np.ndarray]:
        return {}


def quick(graph: Graph) -> Graph:
    """The same passes, several times faster."""
    return PassManager(passes_for(), runtime=ShapesInProcess()).run(graph).graph

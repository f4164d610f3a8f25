"""`python -m benchmarks.channels_onnxsim FILE OUTPUT`: half of the channels of one file, by onnxsim."""

from __future__ import annotations

import json
import sys
import time
from math import prod
from typing import Any

import onnx

from benchmarks.channels_checks import refusal

RATIO = 0.5


def main(source: str, target: str) -> None:
    """Prune, and print what came out as JSON."""
    print(json.dumps(_prune(source, target)))


def _prune(source: str, target: str) -> dict[str, Any]:
    from onnxsim.pruning import apply_structured_pruning

    model = onnx.load(source)
    before = _parameters(model)
    start = time.perf_counter()
    try:
        pruned = apply_structured_pruning(model, sparsity=RATIO)
    except Exception as error:  # noqa: BLE001 - whatever it raises is the result
        return {"error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
    spent = time.perf_counter() - start
    row: dict[str, Any] = {"seconds": {"prune": spent}, "parameters": _parameters(pruned) / before}
    onnx.save(pruned, target)
    reason = refusal(target)
    return row if reason is None else {**row, "error": reason}


def _parameters(model: onnx.ModelProto) -> int:
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
    return sum(prod(tensor.dims) for tensor in model.graph.initializer if tensor.data_type in floats)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What the translation tests share: an ONNX model becomes a torch module, and both give the same numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented
from torch import nn

from graphmorph.errors import MaterialiseError
from graphmorph.onnx_door import load
from graphmorph.torch_door import materialise
from graphmorph.torch_door.element_types import array_of, tensor_of
from tests.passes.text_models import Weights, build

Feeds = Mapping[str, np.ndarray]

TOLERANCE = {"float": 2e-5, "double": 1e-12}


def import_text(text: str, weights: Weights | None = None, *, opset: int = 20, dtype: str = "float") -> nn.Module:
    """The module of a model in ONNX text."""
    return materialise(load(model_of(text, weights, opset=opset, dtype=dtype)))


def model_of(text: str, weights: Weights | None, *, opset: int, dtype: str = "float") -> onnx.ModelProto:
    """The model of a text in which `dtype` takes the place of float."""
    return build(re.sub(r"\bfloat\b", dtype, text), weights, opset=opset, ir=10, dtype=dtype)


def run_onnx(model: onnx.ModelProto, feeds: Feeds) -> list[np.ndarray]:
    """Outputs of onnxruntime, optimizations off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(feeds)))


def run_reference(model: onnx.ModelProto, feeds: Feeds) -> list[np.ndarray]:
    """Outputs of onnx's own evaluator, which has what onnxruntime lacks in double precision."""
    return [np.asarray(one) for one in ReferenceEvaluator(model).run(None, dict(feeds))]


def run_torch(module: nn.Module, *inputs: np.ndarray) -> list[np.ndarray]:
    """Outputs of a module."""
    with torch.no_grad():
        result = module(*(tensor_of(np.asarray(array)) for array in inputs))
    return [array_of(one) for one in (result if isinstance(result, tuple) else (result,))]


def check(
    text: str,
    weights: Weights | None = None,
    *,
    opset: int = 20,
    dtype: str = "float",
    tolerance: float | None = None,
    **feeds: np.ndarray | tuple[int, ...],
) -> nn.Module:
    """Import a model and compare it with onnxruntime, or with onnx's evaluator where that has no kernel.

    Inputs are arrays, or shapes to be filled. Returns the module.
    """
    model = model_of(text, weights, opset=opset, dtype=dtype)
    module = materialise(load(model))
    given = {name: filled(feed, dtype) for name, feed in feeds.items()}
    try:
        expected = run_onnx(model, given)
    except NotImplemented:
        expected = run_reference(model, given)
    compare(run_torch(module, *given.values()), expected, tolerance or TOLERANCE[dtype])
    return module


def compare(found: list[np.ndarray], expected: list[np.ndarray], tolerance: float) -> None:
    """Same shapes, same types, and the same numbers up to a share of the greatest."""
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        if theirs.dtype.kind == "f":
            scale = np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0)
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * scale)
        else:
            np.testing.assert_array_equal(ours, theirs)


def filled(feed: np.ndarray | tuple[int, ...], dtype: str = "float") -> np.ndarray:
    """Gaussian numbers of a shape, or the given array."""
    if isinstance(feed, np.ndarray):
        return feed
    return np.random.default_rng(7).standard_normal(feed).astype({"float": np.float32, "double": np.float64}[dtype])


def refusal(text: str, weights: Weights | None = None, *, opset: int = 20) -> str:
    """What materialise says about a model that it cannot translate."""
    with pytest.raises(MaterialiseError) as raised:
        import_text(text, weights, opset=opset)
    return str(raised.value)


def layers(module: nn.Module) -> list[str]:
    """The modules that a module is made of, as they print themselves."""
    return [str(one) for one in module.modules() if not any(one.children()) and one is not module]

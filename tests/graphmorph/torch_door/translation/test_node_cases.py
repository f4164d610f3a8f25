"""onnx's own test cases of its operators: each is translated and right, or refused."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import numpy as np
import onnx
import onnx.backend.test.loader
import onnx.numpy_helper
import pytest
from onnx.backend.test.case.test_case import TestCase as Case
from torch import nn

from graphmorph.errors import MaterialiseError
from graphmorph.onnx_door import load
from graphmorph.torch_door import materialise
from graphmorph.torch_door.translation_table import load_translations
from tests.graphmorph.torch_door.translation.imported import run_torch

#: Their expected outputs are drawn by numpy's generator.
RANDOM = ("test_training_dropout", "test_training_dropout_default")


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    """All cases of operators that have a translation, but for those that are written as functions."""
    known = set(load_translations())
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx computes its expectations, overflows included
        every = onnx.backend.test.loader.load_model_tests(kind="node")
    for case in every:
        used = {(node.domain, node.op_type) for node in case.model.graph.node}
        if all(domain in ("", "ai.onnx") and op in known for domain, op in used) and not case.name.endswith(
            "_expanded"
        ):
            found[case.name] = case
    return found


def array(value: np.ndarray | onnx.TensorProto) -> np.ndarray:
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def with_constants(case: Case, inputs: list[np.ndarray]) -> onnx.ModelProto:
    """The model with all inputs but the first as initializers."""
    model = onnx.ModelProto.FromString(case.model.SerializeToString())
    for value, given in list(zip(model.graph.input, inputs, strict=True))[1:]:
        model.graph.initializer.append(onnx.numpy_helper.from_array(given, value.name))
    del model.graph.input[1:]
    return model


def forms(case: Case) -> Iterator[tuple[onnx.ModelProto, list[np.ndarray]]]:
    """The case as it is, and with one input; each with what it is to be fed."""
    inputs = [array(value) for value in case.data_sets[0][0]]
    yield case.model, inputs
    if len(inputs) > 1 and not any(given.dtype.kind == "O" for given in inputs):
        yield with_constants(case, inputs), inputs[:1]


def translated(model: onnx.ModelProto) -> nn.Module | None:
    with contextlib.suppress(MaterialiseError):
        return materialise(load(model))
    return None


def test_every_case_is_right_or_refused(cases: dict[str, Case]) -> None:
    right = set()
    for name, case in cases.items():
        for model, inputs in forms(case):
            module = translated(model)
            if module is not None and name not in RANDOM:
                expect(name, run_torch(module, *inputs), [array(value) for value in case.data_sets[0][1]], case.rtol)
                right.add(name)
    operators = {node.op_type for name in right for node in cases[name].model.graph.node}
    assert len(right) > 720
    assert len(operators) >= 130


def expect(name: str, found: list[np.ndarray], expected: list[np.ndarray], rtol: float) -> None:
    assert len(found) == len(expected), name
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), name
        np.testing.assert_allclose(ours.astype(np.float64), theirs.astype(np.float64), rtol, 1e-6, err_msg=name)

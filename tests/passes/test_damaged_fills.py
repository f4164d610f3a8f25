"""ConstantOfShape that keeps to its signature and yet makes no sense: left as it is, never an exception."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from graphmorph.manager import PassManager
from graphmorph.onnx_door import load
from graphmorph.pipeline import passes_for
from graphmorph.runtime import Runtime


def _model(shape: list[int], value: np.ndarray) -> onnx.ModelProto:
    fill = helper.make_node("ConstantOfShape", ["s"], ["c"], value=numpy_helper.from_array(value))
    add = helper.make_node("Add", ["x", "c"], ["y"])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in ("x", "y")]
    sizes = numpy_helper.from_array(np.array(shape, dtype=np.int64), "s")
    graph = helper.make_graph([fill, add], "g", ends[:1], ends[1:], [sizes])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("shape", "value"),
    [([-1, 3], np.ones(1, np.float32)), ([2, 3], np.ones(0, np.float32)), ([2, 3], np.ones(2, np.float32))],
)
def test_senseless_fills_stay(runtime: Runtime, shape: list[int], value: np.ndarray) -> None:
    graph = load(_model(shape, value))
    PassManager(passes_for(), runtime=runtime).run(graph)
    assert [node.op for node in graph.nodes] == ["ConstantOfShape", "Add"]


def test_a_sound_fill_becomes_a_constant(runtime: Runtime) -> None:
    graph = load(_model([2, 3], np.ones(1, np.float32)))
    PassManager(passes_for(), runtime=runtime).run(graph)
    assert [node.op for node in graph.nodes] == ["Add"]

"""New constants, in memory or spilled to a file."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest

from graphmorph.onnx_door import StoredValues, add_constant, constant_array, load, reader, save
from tests.graphmorph.onnx_door.door_models import chain


def test_in_small_models_new_constants_stay_in_memory() -> None:
    graph = load(chain({"w": np.ones(3, np.float32)}))
    constant = add_constant(graph, "new", np.ones((200, 200), np.float32))
    assert isinstance(constant._values, np.ndarray)
    assert not constant_array(constant).flags.writeable


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, np.int64])
def test_in_large_models_large_constants_are_spilled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: type
) -> None:
    monkeypatch.setattr(reader, "SPILL_ABOVE", 100)
    graph = load(chain({"w": np.ones(3, np.float32), "v": np.ones(3, np.float32)}))
    for node, name in zip(graph.nodes[:2], ("first", "second"), strict=True):
        array = (np.arange(300 * 400) % 1000).reshape(400, 300).T.astype(dtype)
        array[0, 0] = len(name)
        node.inputs[1] = add_constant(graph, name, array)
        assert isinstance(node.inputs[1]._values, StoredValues)
        np.testing.assert_array_equal(constant_array(node.inputs[1]), array)
    assert isinstance(add_constant(graph, "small", np.ones(3))._values, np.ndarray)
    save(graph.copy(), tmp_path / "out.onnx")
    first, second = onnx.load(tmp_path / "out.onnx").graph.initializer
    assert onnx.numpy_helper.to_array(first)[0, 0] == 5
    assert onnx.numpy_helper.to_array(second)[0, 0] == 6


def test_types_that_share_bytes_are_not_spilled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "SPILL_ABOVE", 100)
    graph = load(chain({"w": np.ones(3, np.float32)}))
    constant = add_constant(graph, "new", np.ones((300, 300), ml_dtypes.int4))
    assert isinstance(constant._values, np.ndarray)


def test_a_constant_of_a_plain_graph_is_read_too() -> None:
    plain = gs.import_onnx(chain({"w": np.full(3, 2, np.float32)}))
    np.testing.assert_array_equal(constant_array(plain.tensors()["w"]), [2, 2, 2])
    assert isinstance(add_constant(plain, "new", np.ones(3))._values, np.ndarray)

"""The graph type: copies keep what graphsurgeon's own copy loses; constants are read without being kept."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs
import pytest

from graphmorph.graph import Graph, constant_array


def test_a_copy_keeps_record_producer_and_tensor_types() -> None:
    sequence = gs.Variable("s", np.dtype(np.float32), None, "sequence_type")
    index = gs.Variable("i", np.dtype(np.int64), [])
    out = gs.Variable("y", np.dtype(np.float32), ["n"])
    node = gs.Node("SequenceAt", "at", {}, [sequence, index], [out])
    graph = Graph([node], [sequence, index], [out], producer_name="me", producer_version="3", ir_version=9)
    copied = graph.copy()
    assert isinstance(copied, Graph)
    assert (copied.producer_name, copied.producer_version, copied.ir_version) == ("me", "3", 9)
    assert copied.record is graph.record
    assert copied.inputs[0].type == "sequence_type"
    copied.nodes[0].inputs[0].name = "renamed"
    assert graph.nodes[0].inputs[0].name == "s"


def test_constant_array_is_a_read_only_view_of_an_array() -> None:
    values = np.ones(3)
    array = constant_array(gs.Constant("k", values))
    assert np.shares_memory(array, values)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 2
    values[0] = 2
    assert array[0] == 2

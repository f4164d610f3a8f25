"""New constants, kept out of memory where the model is too large for it."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.graph import Graph
from graphmorph.onnx_door.element_types import STRING, is_packed, onnx_type
from graphmorph.onnx_door.storage import StoredValues

_SPILL_ABOVE = 64 * 1024


def add_constant(graph: gs.Graph, name: str, array: np.ndarray) -> gs.Constant:
    """A new constant of the graph; nothing reads it yet, and `name` must be free.

    In models above 256 MiB an array of more than 64 KiB is moved to a temporary file and read from there on
    demand.
    """
    record = graph.record if isinstance(graph, Graph) else None
    if record is None or record.spill is None or array.nbytes <= _SPILL_ABOVE:
        return gs.Constant(name, np.asarray(array))
    data_type = onnx_type(array.dtype)
    if data_type == STRING or is_packed(data_type):
        return gs.Constant(name, np.asarray(array))
    offset = record.spill.append(np.ascontiguousarray(array))
    return gs.Constant(name, StoredValues(record.spill, offset, array.nbytes, data_type, list(array.shape)))

"""The one graph type that every pass sees: graphsurgeon's graph, plus what graphsurgeon cannot hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_graphsurgeon as gs
from onnx_graphsurgeon.ir.tensor import LazyValues

if TYPE_CHECKING:
    from graphmorph.onnx_door.record import DoorRecord
    from graphmorph.torch_door.record import TraceRecord


class Graph(gs.Graph):
    """A graphsurgeon graph in ONNX vocabulary.

    `record` holds what the door read and graphsurgeon has no place for (doc strings, metadata, value_info,
    ...); it is None for a graph that was not loaded from a model. `traced` is the same of a traced torch module.
    `origins` tells of constants that rewrites made which constants their values came from; `resized` gives the sizes of
    tensors that have others than before.
    """

    def __init__(
        self, *args: Any, record: DoorRecord | None = None, traced: TraceRecord | None = None, **kwargs: Any
    ) -> None:
        self.record = record
        self.traced = traced
        self.origins: dict[str, tuple[str, ...]] = {}
        self.resized: dict[str, tuple[int | str | None, ...]] = {}
        super().__init__(*args, **kwargs)

    def copy(self, tensor_map: dict[str, gs.Tensor] | None = None) -> Graph:
        """A copy with its own nodes and tensors; weights, attributes and the records are shared.

        graphsurgeon's copy would return a plain gs.Graph without producer fields and turn tensor types
        (sequences, optionals) into plain tensors.
        """
        copied = super().copy(tensor_map)
        types = {name: tensor.type for name, tensor in self.tensors().items() if isinstance(tensor, gs.Variable)}
        for name, tensor in copied.tensors().items():
            if isinstance(tensor, gs.Variable) and name in types:
                tensor.type = types[name]
        graph = Graph(
            nodes=copied.nodes,
            inputs=copied.inputs,
            outputs=copied.outputs,
            name=self.name,
            doc_string=self.doc_string,
            opset=self.opset,
            import_domains=self.import_domains,
            producer_name=self.producer_name,
            producer_version=self.producer_version,
            functions=self.functions,
            ir_version=self.ir_version,
            record=self.record,
            traced=self.traced,
        )
        graph.origins = dict(self.origins)
        graph.resized = dict(self.resized)
        graph.name_idx = self.name_idx
        return graph


def constant_array(constant: gs.Constant) -> np.ndarray:
    """The values of a constant as a read-only array (ml_dtypes types for bfloat16, float8 and int4).

    A constant whose values are stored elsewhere is read afresh at every call and nothing is kept in it, so
    that walking over a large model holds one weight at a time.
    """
    values = constant._values
    array = values.load() if isinstance(values, LazyValues) else np.asarray(values)
    view = array.view()
    view.flags.writeable = False
    return view

"""What onnx and onnxruntime know about a graph: shapes, and which tensors are constant. Their output is never taken as
the model: only facts and values come back, by tensor name, computed in a child process on a graph without its weights.
"""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.errors import ModelRunError
from graphmorph.graph import Graph
from graphmorph.onnx_door import model_bytes, to_model
from graphmorph.runtime import Runtime
from graphmorph.runtime.protocol import TensorFacts

#: Constants above this many bytes are not written into the model: they were small tensors, expanded.
LARGEST_CONSTANT = 1 << 20


class Oracle:
    """Asks a child process. `notes` collects what it could not answer."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.notes: list[str] = []

    def shapes(self, graph: Graph) -> dict[str, TensorFacts]:
        """Element type and shape by tensor name; what value_info claims is not believed."""
        try:
            return self.runtime.infer_shapes(model_bytes(graph, keep_value_info=False))
        except ModelRunError as error:
            self._note(f"shape inference failed, so rewrites that need shapes are refused: {error}")
            return {}

    def constants(self, graph: Graph) -> dict[str, np.ndarray]:
        """Tensors that are the same for every input, by onnxruntime's constant folding."""
        try:
            return self.runtime.fold_constants(
                model_bytes(graph, keep_value_info=False), max_bytes=LARGEST_CONSTANT
            )
        except ModelRunError as error:
            self._note(f"onnxruntime cannot load the model, so only local clean-up was done: {error}")
            return {}

    def evaluate(self, graph: Graph, nodes: list[gs.Node], outputs: list[gs.Tensor]) -> dict[str, np.ndarray]:
        """Values of nodes that read nothing but constants."""
        copies = [
            gs.Node(n.op, n.name, n.attrs, list(n.inputs), [gs.Variable(t.name) for t in n.outputs], n.domain)
            for n in nodes
        ]
        try:
            wanted = [gs.Variable(t.name, dtype=t.dtype, shape=t.shape) for t in outputs]
            part = Graph(
                nodes=copies,
                outputs=wanted,
                opset=graph.opset,
                import_domains=graph.import_domains,
                ir_version=max(graph.ir_version or 4, 4),
            )
            return self.runtime.evaluate(to_model(part).SerializeToString())
        except ModelRunError as error:
            self._note(f"onnxruntime cannot evaluate {len(nodes)} constant nodes: {error}")
            return {}
        finally:
            for node in copies:
                node.inputs.clear()

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

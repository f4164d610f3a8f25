"""What onnx and onnxruntime know about a graph: shapes, and which tensors are constant. Their output is never taken as
the model: only facts and values come back, by tensor name, computed in a child process on a graph without its weights.
"""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.errors import ModelRunError
from graphmorph.graph import Graph
from graphmorph.onnx_door import model_bytes, to_model
from graphmorph.onnx_door.element_types import onnx_type
from graphmorph.runtime import Runtime
from graphmorph.runtime.protocol import TensorFacts

#: The domain of nodes that were traced from torch and not understood.
OPAQUE_DOMAIN = "graphmorph"

#: The oracle sees constants up to this many bytes; larger ones are inputs to it, known by their type alone.
SHOWN_CONSTANT = 1 << 14

#: Constants above this many bytes are not written into the model: they were small tensors, expanded.
LARGEST_CONSTANT = 1 << 20


class TracedShapes:
    """Shapes of a graph that was traced from torch: its tensors carry what propagation found."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[str, TensorFacts] | None = None

    def __call__(self) -> dict[str, TensorFacts]:
        if self._known is None:
            tensors = [*self._graph.inputs, *(t for node in self._graph.nodes for t in node.outputs)]
            self._known = {
                t.name: TensorFacts(onnx_type(t.dtype), None if t.shape is None else tuple(t.shape))
                for t in tensors
                if t.name and t.dtype is not None
            }
        return self._known

    def forget(self) -> None:
        """Read them again at the next question."""
        self._known = None


class Shapes:
    """Shapes of one graph: inferred when they are asked for, and again after an edit that may have made more known."""

    def __init__(self, oracle: Oracle, graph: Graph) -> None:
        self._oracle, self._graph = oracle, graph
        self._known: dict[str, TensorFacts] | None = None

    def __call__(self) -> dict[str, TensorFacts]:
        if self._known is None:
            self._known = self._oracle.shapes(self._graph)
        return self._known

    def forget(self) -> None:
        """Infer again at the next question."""
        self._known = None


class Oracle:
    """Asks a child process. `notes` collects what it could not answer."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.notes: list[str] = []
        #: Set by who asked for constants and got none: rewrites of weights make no new ones.
        self.exhausted = False

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
            shown = model_bytes(without_opaque(graph), weights_as_inputs_above=SHOWN_CONSTANT, keep_value_info=False)
            return self.runtime.fold_constants(shown, max_bytes=LARGEST_CONSTANT)
        except ModelRunError as error:
            self._note(f"onnxruntime cannot load the model, so only local clean-up was done: {error}")
            return {}

    def evaluate(self, graph: Graph, nodes: list[gs.Node], outputs: list[gs.Tensor]) -> dict[str, np.ndarray]:
        """Values of nodes that read nothing but constants."""
        try:
            return self.runtime.evaluate(to_model(_apart(graph, nodes, outputs)).SerializeToString())
        except ModelRunError as error:
            self._note(f"onnxruntime cannot evaluate {len(nodes)} constant nodes: {error}")
            return {}

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def without_opaque(graph: Graph) -> Graph:
    """The graph with what opaque nodes give as inputs: onnxruntime has no kernels for them."""
    if graph.traced is None or not graph.traced.opaque:
        return graph
    shown = graph.copy()
    opaque = [node for node in shown.nodes if node.domain == OPAQUE_DOMAIN]
    given = {t.name for node in opaque for t in node.outputs}
    inputs = [t for node in opaque for t in node.outputs]
    for node in opaque:
        list.clear(node.inputs)
        for tensor in node.outputs:
            list.clear(tensor.inputs)
        list.clear(node.outputs)
    going = {id(node) for node in opaque}
    shown.nodes = [node for node in shown.nodes if id(node) not in going]
    shown.inputs = [*shown.inputs, *inputs]
    shown.outputs = [t for t in shown.outputs if t.name not in given]
    return shown


def _apart(graph: Graph, nodes: list[gs.Node], outputs: list[gs.Tensor]) -> Graph:
    """Some nodes as a graph of their own. Tensors are copied too: graphsurgeon ties a node to every tensor it reads."""
    tensors: dict[str, gs.Tensor] = {}

    def copied(tensor: gs.Tensor) -> gs.Tensor:
        if isinstance(tensor, gs.Constant):
            return tensors.setdefault(tensor.name, gs.Constant(tensor.name, tensor._values))
        return tensors.setdefault(tensor.name, gs.Variable(tensor.name, dtype=tensor.dtype, shape=tensor.shape))

    return Graph(
        nodes=[
            gs.Node(n.op, n.name, n.attrs, [copied(t) for t in n.inputs], [copied(t) for t in n.outputs], n.domain)
            for n in nodes
        ],
        outputs=[copied(t) for t in outputs],
        opset=graph.opset,
        import_domains=graph.import_domains,
        ir_version=max(graph.ir_version or 4, 4),
    )

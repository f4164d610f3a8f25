"""Nodes become NodeProtos again, starting from the one that was read: only what differs is rewritten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import onnx
import onnx_graphsurgeon as gs

from graphmorph.errors import ModelFileError
from graphmorph.onnx_door.attributes import is_unchanged, write_attribute
from graphmorph.onnx_door.tensor_writer import TensorWriter

Key = tuple[str, ...]
GraphWriter = Callable[[gs.Graph, onnx.GraphProto], onnx.GraphProto]


class Provenance:
    """What finds the original of a node: its operator and first output.

    Of nodes without outputs, those of one operator and name are told apart by their order.
    """

    def __init__(self) -> None:
        self._without_output: Counter[Key] = Counter()

    def key(self, op: str, outputs: Iterable[str], name: str) -> Key:
        """The key of the next node."""
        for output in outputs:
            if output:
                return (op, output)
        key = (op, "", name)
        self._without_output[key] += 1
        return (*key, str(self._without_output[key]))


def index_originals(nodes: Iterable[onnx.NodeProto]) -> dict[Key, onnx.NodeProto]:
    """The nodes of a graph or function by their keys."""
    provenance = Provenance()
    return {provenance.key(node.op_type, node.output, node.name): node for node in nodes}


@dataclass
class NodeWriter:
    """Writes the nodes of one graph or function."""

    originals: dict[Key, onnx.NodeProto]
    tensors: TensorWriter
    subgraph: GraphWriter
    provenance: Provenance = field(default_factory=Provenance)

    def write(self, node: gs.Node) -> onnx.NodeProto:
        """The node as a proto; the original itself where nothing differs."""
        inputs = [tensor.name for tensor in node.inputs]
        outputs = [tensor.name for tensor in node.outputs]
        original = self.originals.get(self.provenance.key(node.op, outputs, node.name))
        if original is None:
            proto = onnx.NodeProto(input=inputs, output=outputs, op_type=node.op)
            if node.name:
                proto.name = node.name
            if node.domain:
                proto.domain = node.domain
            proto.attribute.extend(self._attribute(node, name, value, None) for name, value in node.attrs.items())
            return proto
        attributes = self._attributes(node, original)
        same_io = list(original.input) == inputs and list(original.output) == outputs
        same_names = original.name == (node.name or "") and original.domain == (node.domain or "")
        same_attributes = len(attributes) == len(original.attribute) and all(
            new is old for new, old in zip(attributes, original.attribute, strict=True)
        )
        if same_io and same_names and same_attributes:
            return original
        proto = onnx.NodeProto()
        proto.CopyFrom(original)
        if not same_io:
            proto.input[:], proto.output[:] = inputs, outputs
        if not same_names:
            proto.name, proto.domain = node.name or "", node.domain or ""
        if not same_attributes:
            proto.ClearField("attribute")
            proto.attribute.extend(attributes)
        return proto

    def _attributes(self, node: gs.Node, original: onnx.NodeProto) -> list[onnx.AttributeProto]:
        attributes = [
            self._attribute(node, attribute.name, node.attrs[attribute.name], attribute)
            for attribute in original.attribute
            if attribute.name in node.attrs
        ]
        if len(node.attrs) > len(attributes):
            known = {attribute.name for attribute in original.attribute}
            new = ((name, value) for name, value in node.attrs.items() if name not in known)
            attributes.extend(self._attribute(node, name, value, None) for name, value in new)
        return attributes

    def _attribute(
        self, node: gs.Node, name: str, value: Any, original: onnx.AttributeProto | None
    ) -> onnx.AttributeProto:
        if isinstance(value, gs.Constant):
            return self._tensor_attribute(name, value, original)
        if isinstance(value, gs.Graph):
            graph = self.subgraph(value, onnx.GraphProto() if original is None else original.g)
            proto = _emptied(name, original, "g", onnx.AttributeProto.GRAPH)
            proto.g.CopyFrom(graph)
            return proto
        if original is not None and is_unchanged(original, value):
            return original
        try:
            return write_attribute(name, value, original.type if original is not None else 0)
        except (TypeError, ValueError) as error:
            label = f"node {node.name!r:.80} ({node.op})"
            raise ModelFileError(f"{label}: attribute {name!r:.40} cannot be written: {error}") from error

    def _tensor_attribute(
        self, name: str, value: gs.Constant, original: onnx.AttributeProto | None
    ) -> onnx.AttributeProto:
        tensor = self.tensors.write(value, None if original is None else original.t, initializer=False)
        if original is not None and tensor is original.t:
            return original
        proto = _emptied(name, original, "t", onnx.AttributeProto.TENSOR)
        proto.t.CopyFrom(tensor)
        return proto


def _emptied(name: str, original: onnx.AttributeProto | None, field: str, kind: int) -> onnx.AttributeProto:
    """The original without its value if it held one of the same kind, or else a new attribute."""
    if original is None or not original.HasField(field):
        return onnx.AttributeProto(name=name, type=onnx.AttributeProto.AttributeType.Name(kind))
    proto = onnx.AttributeProto()
    proto.CopyFrom(original)
    proto.ClearField(field)
    return proto

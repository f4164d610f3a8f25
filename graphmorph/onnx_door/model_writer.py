"""Puts a whole model together: the skeleton from the graph, and the payloads that its tokens stand for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx
import onnx_graphsurgeon as gs

from graphmorph.graph import Graph
from graphmorph.onnx_door.graph_writer import GraphWriter
from graphmorph.onnx_door.layout import Layout, Payload, StoredBytes
from graphmorph.onnx_door.payloads import TOKEN_LENGTH, PayloadTable, TokenPositions
from graphmorph.onnx_door.record import DoorRecord
from graphmorph.onnx_door.storage import MemoryStorage
from graphmorph.onnx_door.structure import subgraphs
from graphmorph.onnx_door.tensor_writer import TensorWriter
from graphmorph.onnx_door.tensors import TensorReader
from graphmorph.onnx_door.wire import Inserted, Span, Walker, total_length, without_fields

_REBUILT = frozenset(onnx.ModelProto.DESCRIPTOR.fields_by_name[name].number for name in ("graph", "functions"))
_LAST_LISTING_IR = 3
_DEFAULT_DOMAINS = ("", "ai.onnx")


@dataclass
class Written:
    """A model ready to be written: pieces of its skeleton, and payloads between them."""

    layout: Layout
    skeleton: bytes
    pieces: list[Span | Inserted[Payload] | bytes]

    @property
    def length(self) -> int:
        """Bytes of the model file."""
        return total_length(self.pieces)

    def chunks(self) -> Iterator[bytes | memoryview]:
        """The bytes of the model file, in order."""
        view = memoryview(self.skeleton)
        for piece in self.pieces:
            if isinstance(piece, Span):
                yield view[piece.start : piece.end]
            elif isinstance(piece, bytes):
                yield piece
            else:
                yield from piece.content.chunks()


def write_model(
    graph: gs.Graph,
    layout: Layout,
    *,
    inputs_above: int | None = None,
    keep_value_info: bool = True,
    at_least_ir: int = 0,
) -> Written:
    """Write a graph with its functions and model fields.

    inputs_above: constants of the outermost graph with more bytes become graph inputs. Raises ModelFileError
    for constants and attributes that ONNX cannot hold.
    """
    record = graph.record if isinstance(graph, Graph) else None
    original = _blank(graph) if record is None else record.skeleton
    model = onnx.ModelProto()
    model.MergeFromString(without_fields(original.SerializeToString(), _REBUILT))
    _model_fields(model, graph, record)
    _add_domains(model, graph, original)
    if model.ir_version < at_least_ir:
        model.ir_version = at_least_ir
    lists = model.ir_version <= _LAST_LISTING_IR
    writer = GraphWriter(TensorWriter(None if record is None else record.tensors, layout), lists, keep_value_info)
    writer.write(graph, original.graph, model.graph, record)
    functions = {(proto.domain, proto.name, proto.overload): proto for proto in original.functions}
    for function in graph.functions:
        key = (function.domain or "", function.name, function.__dict__.get("overload", ""))
        model.functions.append(writer.write_function(function, functions.get(key)))
    if at_least_ir > _LAST_LISTING_IR >= original.ir_version:
        _unlist(model.graph, {tensor.name for tensor in graph.inputs})
    if inputs_above is not None:
        _weights_to_inputs(model.graph, inputs_above, layout, record)
    skeleton = model.SerializeToString()
    return Written(layout, skeleton, _expand(skeleton, layout.table, record))


def _blank(graph: gs.Graph) -> onnx.ModelProto:
    """The model fields of a graph that was not read from a model."""
    domains = graph.import_domains or [onnx.helper.make_opsetid("", graph.opset)]
    version = graph.ir_version or onnx.helper.find_min_ir_version_for(domains, ignore_unknown=True)
    return onnx.ModelProto(ir_version=version, opset_import=domains, graph=onnx.GraphProto())


def _model_fields(model: onnx.ModelProto, graph: gs.Graph, record: DoorRecord | None) -> None:
    for name in ("producer_name", "producer_version"):
        if (getattr(graph, name) or "") != getattr(model, name):
            setattr(model, name, getattr(graph, name))
    if graph.ir_version is not None and graph.ir_version != model.ir_version:
        model.ir_version = graph.ir_version
    if record is not None and graph.opset != record.opset:
        defaults = [entry for entry in model.opset_import if entry.domain in _DEFAULT_DOMAINS]
        entry = defaults[0] if defaults else model.opset_import.add()
        entry.version = graph.opset


def _add_domains(model: onnx.ModelProto, graph: gs.Graph, original: onnx.ModelProto) -> None:
    """Import the domains of new nodes; one that was used without being imported is left so."""
    known = {entry.domain for entry in model.opset_import}.union(_DEFAULT_DOMAINS)
    used = {node.domain or "": None for node in graph.nodes}
    for inner in graph.subgraphs(recursive=True):
        used.update({node.domain or "": None for node in inner.nodes})
    missing = [domain for domain in used if domain not in known]
    if missing:
        before = _domains(original.graph)
        model.opset_import.extend(onnx.helper.make_opsetid(name, 1) for name in missing if name not in before)


def _domains(graph: onnx.GraphProto) -> set[str]:
    found = {node.domain for node in graph.node}
    for node in graph.node:
        for inner in subgraphs(node):
            found |= _domains(inner)
    return found


def _unlist(graph: onnx.GraphProto, inputs: set[str]) -> None:
    kept = [value for value in graph.input if value.name in inputs]
    copies = onnx.GraphProto(input=kept)
    graph.ClearField("input")
    graph.input.extend(copies.input)


def _weights_to_inputs(graph: onnx.GraphProto, above: int, layout: Layout, record: DoorRecord | None) -> None:
    """Turn large initializers, and the outputs of large Constant nodes, into typed graph inputs."""
    listed = {value.name for value in graph.input}
    small = onnx.GraphProto()

    def large(tensor: onnx.TensorProto, name: str) -> bool:
        size = _size(tensor, layout, record)
        if size <= above:
            return False
        if name not in listed:
            graph.input.append(onnx.helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims)))
        return True

    small.initializer.extend(tensor for tensor in graph.initializer if not large(tensor, tensor.name))
    if len(small.initializer) < len(graph.initializer):
        graph.ClearField("initializer")
        graph.initializer.extend(small.initializer)
    for index in range(len(graph.node) - 1, -1, -1):
        node = graph.node[index]
        if node.op_type == "Constant" and node.domain in _DEFAULT_DOMAINS:
            value = next((a.t for a in node.attribute if a.name == "value" and a.HasField("t")), None)
            if value is not None and large(value, node.output[0]):
                del graph.node[index]


def _size(tensor: onnx.TensorProto, layout: Layout, record: DoorRecord | None) -> int:
    """Bytes of a tensor of a skeleton."""
    token = layout.table.token_in(tensor)
    if token is not None:
        return layout.table[token].nbytes
    token = None if record is None else record.tensors.table.token_in(tensor)
    return tensor.ByteSize() if token is None or record is None else record.tensors.table[token][1]


def _expand(
    skeleton: bytes, table: PayloadTable[Payload], record: DoorRecord | None
) -> list[Span | Inserted[Payload] | bytes]:
    """Split a skeleton at its tokens, those of this writing and those of the model that was read."""
    reader: TensorReader | None = None if record is None else record.tensors
    positions = table.positions(skeleton)
    if reader is not None:
        positions = TokenPositions.joined(positions, reader.table.positions(skeleton))

    def replace(start: int, length: int) -> Inserted[Payload] | None:
        data = skeleton[start : start + TOKEN_LENGTH] if length == TOKEN_LENGTH else b""
        if table.is_token(data):
            payload = table[data]
        elif reader is not None and reader.table.is_token(data):
            payload = StoredBytes(reader.storage, *reader.table[data])
        else:
            return None
        return Inserted(payload, payload.nbytes)

    return Walker(MemoryStorage(skeleton), positions.any_within, replace).split(0, len(skeleton))

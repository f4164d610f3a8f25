"""Graphs become GraphProtos again; whatever no pass touched is written as it was read."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import onnx_graphsurgeon as gs

from graphmorph.errors import ModelFileError
from graphmorph.onnx_door.attributes import write_attribute
from graphmorph.onnx_door.node_writer import NodeWriter, index_originals
from graphmorph.onnx_door.record import DoorRecord
from graphmorph.onnx_door.structure import unread_initializers
from graphmorph.onnx_door.tensor_writer import TensorWriter, sparse_unchanged
from graphmorph.onnx_door.value_info import UNKNOWN, Facts, collect_facts, facts_of, says_the_same, write_facts
from graphmorph.onnx_door.wire import without_fields

_REBUILT = frozenset(
    onnx.GraphProto.DESCRIPTOR.fields_by_name[name].number
    for name in (
        "node",
        "initializer",
        "sparse_initializer",
        "input",
        "output",
        "value_info",
        "quantization_annotation",
    )
)
Constants = dict[str, gs.Constant]


@dataclass
class GraphWriter:
    """Writes one graph and, through it, its subgraphs.

    lists_initializers: the model is of an IR version in which every initializer is also an input.
    """

    tensors: TensorWriter
    lists_initializers: bool
    keep_value_info: bool = True

    def write(
        self, graph: gs.Graph, original: onnx.GraphProto, target: onnx.GraphProto, record: DoorRecord | None
    ) -> None:
        """Write the outermost graph into `target`, which is empty."""
        if record is None:
            self._write(graph, original, target, {}, set(), outermost=True)
        else:
            self._write(graph, original, target, record.facts, record.unread, outermost=True)

    def write_function(self, function: gs.Function, original: onnx.FunctionProto | None) -> onnx.FunctionProto:
        """Write a model-local function; its constants become nodes, as functions have no initializers."""
        proto = onnx.FunctionProto()
        if original is not None:
            proto.CopyFrom(original)
        else:
            proto.name, proto.domain = function.name, function.domain or ""
            proto.opset_import.extend(function.import_domains or [onnx.helper.make_opsetid("", function.opset)])
            proto.attribute.extend(name for name, value in function.attrs.items() if value is None)
            defaults = ((name, value) for name, value in function.attrs.items() if value is not None)
            proto.attribute_proto.extend(write_attribute(name, value) for name, value in defaults)
        proto.ClearField("node")
        proto.input[:] = [tensor.name for tensor in function.inputs]
        proto.output[:] = [tensor.name for tensor in function.outputs]
        constants: Constants = {}
        nodes = self._nodes(function, [] if original is None else original.node, constants)
        for name, constant in constants.items():
            value = self.tensors.write(constant, None, initializer=False)
            proto.node.append(onnx.helper.make_node("Constant", [], [name], value=value))
        proto.node.extend(nodes)
        return proto

    def _write(
        self,
        graph: gs.Graph,
        original: onnx.GraphProto,
        target: onnx.GraphProto,
        facts: dict[str, Facts],
        unread: set[str],
        outermost: bool,
    ) -> Constants:
        """Write a graph; returns the constants that it reads and that belong to an enclosing graph.

        facts: of the tensors of the original. unread: initializers to keep though nothing reads them.
        """
        target.MergeFromString(without_fields(original.SerializeToString(), _REBUILT))
        if graph.name != original.name:
            target.name = graph.name
        if (graph.doc_string or "") != original.doc_string:
            target.doc_string = graph.doc_string
        constants: Constants = {}
        target.node.extend(self._nodes(graph, original.node, constants))
        for tensor in graph.outputs:
            if isinstance(tensor, gs.Constant):
                _claim(constants, tensor)
        kept = unread | {tensor.name for tensor in graph.inputs}
        left = self._initializers(original, target, constants, kept, outermost)
        self._inputs(graph, original, target, facts, outermost)
        if self.keep_value_info:
            self._infos(graph, original, target, facts)
        return left

    def _nodes(self, graph: gs.Graph, originals: list[onnx.NodeProto], constants: Constants) -> list[onnx.NodeProto]:
        def subgraph(inner: gs.Graph, proto: onnx.GraphProto) -> onnx.GraphProto:
            target = onnx.GraphProto()
            facts, unread = collect_facts(proto), unread_initializers(proto)
            for constant in self._write(inner, proto, target, facts, unread, outermost=False).values():
                _claim(constants, constant)
            return target

        writer = NodeWriter(index_originals(originals), self.tensors, subgraph)
        nodes = []
        for node in graph.nodes:
            for tensor in node.inputs:
                if isinstance(tensor, gs.Constant):
                    _claim(constants, tensor)
            nodes.append(writer.write(node))
        return nodes

    def _initializers(
        self,
        original: onnx.GraphProto,
        target: onnx.GraphProto,
        constants: Constants,
        kept: set[str],
        outermost: bool,
    ) -> Constants:
        left = dict(constants)
        for tensor in original.initializer:
            constant = left.pop(tensor.name, None)
            if constant is not None:
                target.initializer.append(self.tensors.write(constant, tensor, initializer=True))
            elif tensor.name in kept:
                target.initializer.append(self.tensors.keep(tensor, initializer=True))
        for sparse in original.sparse_initializer:
            constant = left.get(sparse.values.name)
            if sparse.values.name in kept if constant is None else sparse_unchanged(constant, sparse):
                target.sparse_initializer.append(sparse)
                left.pop(sparse.values.name, None)
        if not outermost:
            return left
        target.initializer.extend(self.tensors.write(constant, None, initializer=True) for constant in left.values())
        return {}

    def _inputs(
        self,
        graph: gs.Graph,
        original: onnx.GraphProto,
        target: onnx.GraphProto,
        facts: dict[str, Facts],
        outermost: bool,
    ) -> None:
        inputs = {tensor.name: tensor for tensor in graph.inputs}
        dense = {tensor.name: tensor for tensor in target.initializer}
        initializers = {*dense, *(sparse.values.name for sparse in target.sparse_initializer)}
        entries = {value.name: value for value in original.input}
        order = [name for name in entries if name in inputs or name in initializers]
        if [name for name in order if name in inputs] != list(inputs):
            order = [*inputs, *(name for name in order if name not in inputs)]
        for name in order:
            if name in inputs:
                target.input.append(_entry(inputs[name], entries.get(name), facts))
            else:
                target.input.append(_initializer_entry(entries[name], dense.get(name)))
        if outermost and self.lists_initializers:
            read = {tensor.name for tensor in original.initializer}
            for tensor in target.initializer:
                if tensor.name not in read:
                    target.input.append(
                        onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
                    )
        outputs = {value.name: value for value in original.output}
        target.output.extend(_entry(tensor, outputs.get(tensor.name), facts) for tensor in graph.outputs)

    def _infos(
        self, graph: gs.Graph, original: onnx.GraphProto, target: onnx.GraphProto, facts: dict[str, Facts]
    ) -> None:
        """Write value_info and quantization annotations of the tensors that are still there or new."""
        produced = {tensor.name: tensor for node in graph.nodes for tensor in node.outputs if tensor.name}
        before = {name for node in original.node for name in node.output}
        before.update(value.name for value in original.input)
        before.update(tensor.name for tensor in original.initializer)
        before.update(sparse.values.name for sparse in original.sparse_initializer)
        others = {value.name for value in target.input}.union(tensor.name for tensor in target.initializer)
        others.update(sparse.values.name for sparse in target.sparse_initializer)
        gone = before.difference(produced, others)
        dense = {tensor.name: tensor for tensor in target.initializer}
        target.quantization_annotation.extend(
            note for note in original.quantization_annotation if note.tensor_name not in gone
        )
        for entry in original.value_info:
            if entry.name in produced:
                target.value_info.append(_entry(produced[entry.name], entry, facts))
            elif entry.name not in gone:
                target.value_info.append(_initializer_entry(entry, dense.get(entry.name)))
        shown = {value.name for value in target.output}.union(before, others)
        shown.update(entry.name for entry in original.value_info)
        for name, tensor in produced.items():
            known = tensor.dtype is not None and tensor.shape is not None
            if known and name not in shown and _is_tensor(tensor):
                target.value_info.append(_entry(tensor, None, facts))


def _claim(constants: Constants, constant: gs.Constant) -> None:
    known = constants.setdefault(constant.name, constant)
    if known is not constant and known._values is not constant._values:
        raise ModelFileError(f"two different constants are called {constant.name!r:.80}")


def _is_tensor(tensor: gs.Tensor) -> bool:
    """Whether a value is a dense tensor; of others graphsurgeon knows too little to write their type."""
    return isinstance(tensor, gs.Constant) or tensor.type == "tensor_type"


def _initializer_entry(original: onnx.ValueInfoProto, tensor: onnx.TensorProto | None) -> onnx.ValueInfoProto:
    """The value_info of an initializer: the one that was read, unless its shape was changed."""
    shape = facts_of(original).shape
    if tensor is None or shape is None or shape == list(tensor.dims):
        return original
    entry = onnx.ValueInfoProto()
    entry.CopyFrom(original)
    write_facts(entry, None, list(tensor.dims))
    return entry


def _entry(tensor: gs.Tensor, original: onnx.ValueInfoProto | None, facts: dict[str, Facts]) -> onnx.ValueInfoProto:
    """The value_info of a tensor: the one that was read, unless its type or shape was changed."""
    if original is not None and (
        not isinstance(tensor, gs.Variable) or says_the_same(tensor, facts.get(tensor.name, UNKNOWN))
    ):
        return original
    entry = onnx.ValueInfoProto(name=tensor.name)
    if original is not None:
        entry.CopyFrom(original)
    if _is_tensor(tensor) and (tensor.dtype is not None or tensor.shape is not None):
        write_facts(entry, tensor.dtype, tensor.shape)
    return entry

"""Builds graphsurgeon's graph from a checked skeleton model."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import onnx
import onnx_graphsurgeon as gs

from graphmorph.graph import Graph
from graphmorph.onnx_door.attributes import read_attribute
from graphmorph.onnx_door.record import DoorRecord
from graphmorph.onnx_door.tensors import TensorReader
from graphmorph.onnx_door.value_info import UNKNOWN, Facts, collect_facts, make_variable

_FIRST_OVERRIDABLE_IR = 4
Scope = ChainMap[str, gs.Tensor]


def default_opset(opset_imports: Iterable[onnx.OperatorSetIdProto]) -> int:
    """The version of the default domain; models from before operator sets had versions use the first one."""
    return next((entry.version for entry in opset_imports if entry.domain in ("", "ai.onnx")), 1)


def import_model(record: DoorRecord) -> Graph:
    """The graph of a record; fills in its defaults."""
    model = record.skeleton
    builder = _Builder(record.tensors, model.ir_version >= _FIRST_OVERRIDABLE_IR, record.opset, model.opset_import)
    functions = [builder.function(function) for function in model.functions]
    parts = builder.graph_parts(model.graph, ChainMap(), record.facts, record.defaults)
    graph = Graph(
        **parts,
        opset=record.opset,
        import_domains=model.opset_import,
        producer_name=model.producer_name,
        producer_version=model.producer_version,
        functions=functions,
        ir_version=model.ir_version,
        record=record,
    )
    return graph


@dataclass
class _Builder:
    tensors: TensorReader
    overridable: bool
    opset: int
    domains: Any

    def graph_parts(
        self, proto: onnx.GraphProto, outer: Scope, facts: dict[str, Facts], defaults: dict[str, gs.Constant]
    ) -> dict[str, Any]:
        """Nodes, inputs, outputs and names of a graph, as arguments of a Graph."""
        constants = self._constants(proto)
        local: dict[str, gs.Tensor] = {}
        inputs = []
        for value in proto.input:
            if value.name in constants:
                if not self.overridable:
                    continue
                defaults[value.name] = constants.pop(value.name)
            local[value.name] = make_variable(value.name, facts[value.name])
            inputs.append(local[value.name])
        local.update(constants)
        nodes = self._nodes(proto.node, local, outer, facts)
        scope = outer.new_child(local)
        outputs = [scope[value.name] for value in proto.output]
        return {
            "nodes": nodes,
            "inputs": inputs,
            "outputs": outputs,
            "name": proto.name,
            "doc_string": proto.doc_string,
        }

    def function(self, proto: onnx.FunctionProto) -> gs.Function:
        """A model-local function; its overload, which graphsurgeon does not know, is kept as an attribute."""
        local: dict[str, gs.Tensor] = {name: gs.Variable(name) for name in proto.input}
        facts = collect_facts(onnx.GraphProto(value_info=proto.value_info))
        attributes: dict[str, Any] = dict.fromkeys(proto.attribute)
        attributes.update((each.name, self._attribute(each, ChainMap())) for each in proto.attribute_proto)
        nodes = self._nodes(proto.node, local, ChainMap(), facts)
        function = gs.Function(
            proto.name,
            proto.domain,
            nodes=nodes,
            inputs=[local[name] for name in proto.input],
            outputs=[local[name] for name in proto.output],
            doc_string=proto.doc_string,
            opset=default_opset(proto.opset_import) if proto.opset_import else self.opset,
            import_domains=proto.opset_import,
            attrs=attributes,
        )
        function.overload = proto.overload
        return function

    def _constants(self, proto: onnx.GraphProto) -> dict[str, gs.Constant]:
        constants = {tensor.name: self._constant(tensor) for tensor in proto.initializer}
        for sparse in proto.sparse_initializer:
            constants[sparse.values.name] = gs.Constant(sparse.values.name, self.tensors.sparse_values(sparse))
        return constants

    def _constant(self, tensor: onnx.TensorProto) -> gs.Constant:
        return gs.Constant(tensor.name, self.tensors.values(tensor))

    def _nodes(
        self,
        protos: Iterable[onnx.NodeProto],
        local: dict[str, gs.Tensor],
        outer: Scope,
        facts: dict[str, Facts],
    ) -> list[gs.Node]:
        for proto in protos:
            for name in proto.output:
                if name:
                    local[name] = make_variable(name, facts.get(name, UNKNOWN))
        scope = outer.new_child(local)
        return [self._node(proto, scope) for proto in protos]

    def _node(self, proto: onnx.NodeProto, scope: Scope) -> gs.Node:
        return gs.Node(
            op=proto.op_type,
            name=proto.name,
            attrs={each.name: self._attribute(each, scope) for each in proto.attribute},
            inputs=[scope[name] if name else gs.Variable.empty() for name in proto.input],
            outputs=[scope.maps[0][name] if name else gs.Variable.empty() for name in proto.output],
            domain=proto.domain if proto.HasField("domain") else None,
        )

    def _attribute(self, attribute: onnx.AttributeProto, scope: Scope) -> Any:
        return read_attribute(attribute, self._constant, lambda graph: self._subgraph(graph, scope))

    def _subgraph(self, proto: onnx.GraphProto, scope: Scope) -> gs.Graph:
        parts = self.graph_parts(proto, scope, collect_facts(proto), {})
        return gs.Graph(**parts, opset=self.opset, import_domains=self.domains)

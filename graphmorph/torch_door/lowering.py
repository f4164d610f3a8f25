"""From a traced program to a graph in ONNX vocabulary, node by node; what has no rule is carried through opaque."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from functools import partial
from typing import Any

import onnx_graphsurgeon as gs
import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from graphmorph.graph import Graph
from graphmorph.torch_door.builder import SiteBuilder, Unsupported
from graphmorph.torch_door.calls import call_of
from graphmorph.torch_door.element_types import numpy_dtype
from graphmorph.torch_door.program import ShapedProgram
from graphmorph.torch_door.program_memory import ProgramMemory, has_effect
from graphmorph.torch_door.propagation import storage_of
from graphmorph.torch_door.ranks import is_rank
from graphmorph.torch_door.record import DOMAIN, OPAQUE, NodeSnapshot, NumberSite, Site, TraceRecord
from graphmorph.torch_door.rule_calls import call_rule, matched, own_tensors
from graphmorph.torch_door.size_reads import lender_of, size_reads
from graphmorph.torch_door.tensor_facts import TensorTypes
from graphmorph.torch_door.trees import fakes_of, map_leaves, tensors_of
from graphmorph.torch_door.values import Number, derived, is_leaf

#: What traced graphs are written in; onnxruntime 1.20 reads both.
OPSET = 20
IR_VERSION = 10


class Lowering:
    """Lowers one program; `env` maps every fx node to what it stands for now."""

    def __init__(self, root: nn.Module, program: ShapedProgram) -> None:
        self.root = root
        self.program = program
        self.types = TensorTypes(program.batch, program.twins())
        self.record = TraceRecord(root, program.traced.graph, root.training)
        self.record.constants = program.traced.constants
        self.record.notes = program.traced.notes
        self.env: dict[fx.Node, Any] = {}
        self.nodes: list[gs.Node] = []
        self.memory = ProgramMemory(program)
        self.order = self.memory.order
        self._name_state()

    def _name_state(self) -> None:
        named = [*self.root.named_parameters(remove_duplicate=False), *self.root.named_buffers(remove_duplicate=False)]
        for path, tensor in named:
            self.types.paths.setdefault(id(tensor), path)
        for path, tensor in self.program.traced.constants.items():
            self.types.paths.setdefault(id(tensor), path)
        self.record.paths = self.types.paths

    def lower(self) -> Graph:
        """Lower every node."""
        inputs: list[gs.Variable] = []
        outputs: list[gs.Tensor] = []
        for node in self.program.traced.graph.nodes:
            if node.op == "placeholder":
                inputs.extend(self._placeholder(node))
            elif node.op == "output":
                outputs = self._outputs(node)
            elif node.op == "get_attr":
                self._attribute(node)
            else:
                self._call(node)
        self.record.parameters = self.types.made
        self.record.literals = self.types.literals()
        self.record.batch = self.program.batch
        self.record.sizes = self.types.traced_sizes()
        self.record.doubled_sizes = self.types.doubled_sizes()
        self.record.batch_input = self.types.batch_input
        return Graph(
            nodes=self.nodes,
            inputs=inputs,
            outputs=outputs,
            name=type(self.root).__name__,
            opset=OPSET,
            ir_version=IR_VERSION,
            producer_name="graphmorph",
            traced=self.record,
        )

    def _fake(self, node: fx.Node) -> Any:
        return self.program.executions[node].value

    def _placeholder(self, node: fx.Node) -> list[gs.Variable]:
        fake = self._fake(node)
        self.record.placeholders.append(node)
        leaves = [leaf for leaf in pytree.tree_leaves(fake) if isinstance(leaf, torch.Tensor)]
        if not leaves:
            self._number(node)
            return []
        made = {id(leaf): self._variable(node.name, leaf) for leaf in leaves}
        for variable in made.values():
            if variable.shape and variable.shape[0] == "batch" and self.types.batch_input is None:
                self.types.batch_input = variable
        self.env[node] = pytree.tree_map(lambda leaf: made.get(id(leaf), Number(leaf)), fake)
        self.record.placeholder_values[node] = self.env[node]
        self.record.values_given[node] = tuple(t.name for t in tensors_of(self.env[node]))
        return list(made.values())

    def _variable(self, name: str, fake: torch.Tensor) -> gs.Variable:
        return self.types.variable(name, fake, numpy_dtype(fake.dtype))

    def _attribute(self, node: fx.Node) -> None:
        fake = self._fake(node)
        if not isinstance(fake, torch.Tensor):
            self._number(node)
        elif storage_of(fake) & self.memory.written_state:
            self._opaque(node, "the module writes into it")
        else:
            tensor = self._real_attribute(str(node.target))
            self.types.paths.setdefault(id(tensor), str(node.target))
            try:
                self.env[node] = self.types.parameter(tensor, transposed=False)
                self.types.learn(self.env[node], fake)
            except TypeError as error:
                self._opaque(node, str(error))

    def _real_attribute(self, target: str) -> torch.Tensor:
        if target in self.program.traced.constants:
            return self.program.traced.constants[target]
        found: Any = self.root
        for name in target.split("."):
            found = getattr(found, name)
        assert isinstance(found, torch.Tensor)
        return found

    def _number(self, node: fx.Node, *, effect: bool = False) -> None:
        """A node without tensors is computed by Python again; the tensors whose shape it reads must stay.

        What follows from ranks is what it is: no pass changes a rank, and an assertion of one held when it was traced.
        """
        arguments = {arg: self.env[arg] for arg in node.all_input_nodes}
        fixed = is_rank(node)
        twin = self.program.doubled[node].value if self.program.doubled is not None else None
        number = self.env[node] = Number(self._fake(node), twin)
        self.record.numbers[node] = NumberSite(self.order[node], node, arguments, number, effect and not fixed, fixed)
        for value in arguments.values() if node in self.memory.needed and not fixed else ():
            self.record.shape_read |= {t.name for t in tensors_of(value) if isinstance(t, gs.Variable)}

    def _call(self, node: fx.Node) -> None:
        execution = self.program.executions[node]
        if node.target in (operator.getitem, getattr) and self._picked(node):
            return
        has_tensors = any(isinstance(leaf, torch.Tensor) for leaf in pytree.tree_leaves(execution.value))
        if not has_tensors and not execution.written:
            self._number(node, effect=not node.users and has_effect(node))
            return
        stale = self.memory.stale_aliases(node, self.env)
        stale = [other for other in stale if tensors_of(self.env[other])]
        if stale:
            self._opaque(node, "it writes into a tensor of which there are views", stale)
            return
        try:
            self._lowered(node)
        except Unsupported as reason:
            self._opaque(node, str(reason))

    def _picked(self, node: fx.Node) -> bool:
        """Whether the node only takes an element out of a tuple or dict."""
        source = node.args[0]
        value = self.env.get(source) if isinstance(source, fx.Node) else None
        if value is None or is_leaf(value) or isinstance(node.args[1], fx.Node):
            return False
        name = node.args[1]
        if node.target is getattr and not hasattr(type(value), str(name)):
            fake = self._fake(source)  # type: ignore[arg-type]
            name = list(type(fake).__match_args__).index(name) if hasattr(type(fake), "__match_args__") else name
        self.env[node] = getattr(value, str(name)) if isinstance(name, str) and hasattr(value, name) else value[name]
        found = self.env[node]
        if isinstance(found, Number):
            self.record.numbers[node] = NumberSite(self.order[node], node, {source: value}, found)  # type: ignore[dict-item]
        return True

    def _lowered(self, node: fx.Node) -> None:
        if node.op == "call_module" and node.target in self.program.traced.kept_whole:
            raise Unsupported("it is kept whole, as asked")
        builder = SiteBuilder(self._base(node), self.memory.result(node), self.types)
        value = own_tensors(call_rule(call_of(self.root, node), builder, self._argument), builder)
        value = matched(value, self._fake(node), builder.result)
        for tensor, fake in zip(tensors_of(value), fakes_of(builder.result), strict=True):
            if isinstance(tensor, gs.Variable) and tensor.inputs:
                tensor.dtype = numpy_dtype(fake.dtype)
                tensor.shape = list(self.types.described(fake)[0])
            self.types.learn(tensor, fake)
        self._add_site(node, builder.new, value)
        for reason in builder.special:
            names = [t.name for made in builder.new for t in made.outputs]
            self.record.specialised |= dict.fromkeys(names, reason)

    def _base(self, node: fx.Node) -> str:
        return str(node.target) if node.op == "call_module" else node.name

    def _argument(self, node: fx.Node) -> Any:
        return map_leaves(lambda leaf: derived(leaf) if isinstance(leaf, Number) else leaf, self.env[node])

    def _opaque(self, node: fx.Node, reason: str, stale: list[fx.Node] | None = None) -> None:
        """Carry a node through: every tensor it reads goes in, every tensor it gives or changes comes out."""
        stale = [other for other in stale or [] if other not in self.program.executions[node].written]
        value = self._fake(node)
        lender = lender_of(node)
        arguments = [arg for arg in node.all_input_nodes if arg is not lender]
        read: dict[str, gs.Tensor] = {t.name: t for arg in arguments for t in tensors_of(self.env[arg])}
        read |= {t.name: t for other in stale for t in tensors_of(self.env[other])}
        if node.op == "call_module":
            read |= {t.name: t for t in self._module_state(node)}
        sizes = size_reads(self._numbers_of(node), self.record.numbers)
        for tensor in tensors_of(self.env[lender]) if lender is not None else ():
            sizes.setdefault(tensor.name, (tensor, frozenset()))
        sized = {name: axes for name, (_, axes) in sizes.items() if name not in read}
        read |= {name: tensor for name, (tensor, _) in sizes.items()}
        made: dict[int, gs.Variable] = {}
        written = [*self.program.executions[node].written, *stale]
        for fake in [*fakes_of(value), *(leaf for arg in written for leaf in fakes_of(self._fake(arg)))]:
            if id(fake) not in made:
                made[id(fake)] = self._variable(node.name, fake)
        target = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        attrs = {"target": target, "reason": reason}
        name = self.types.fresh_node(self._base(node))
        opaque = gs.Node(OPAQUE, name, attrs, list(read.values()), list(made.values()), domain=DOMAIN)
        self.record.opaque[name] = reason
        self.record.sizes_read[name] = {list(read).index(one): axes for one, axes in sized.items()}
        result = pytree.tree_map(lambda leaf: made.get(id(leaf), Number(leaf)), value)
        self._add_site(node, [opaque], result, stale, made)

    def _numbers_of(self, node: fx.Node) -> list[fx.Node]:
        return [arg for arg in node.all_input_nodes if arg in self.record.numbers]

    def _module_state(self, node: fx.Node) -> list[gs.Constant]:
        module = self.root.get_submodule(str(node.target))
        state = (*module.parameters(), *module.buffers())
        return [self.types.parameter(t, transposed=False) for t in state if numpy_dtype(t.dtype) is not None]

    def _add_site(
        self,
        node: fx.Node,
        made: list[gs.Node],
        value: Any,
        stale: list[fx.Node] | None = None,
        versions: Mapping[int, gs.Variable] | None = None,
    ) -> None:
        """Write a site down, and let later readers of what it wrote into read the new version."""
        arguments = {arg: self.env[arg] for arg in node.all_input_nodes}
        written = self.program.executions[node].written
        old_names: list[str] = []
        rebinds: list[tuple[str, str]] = []
        fresh = dict(versions or {})
        for fake, tensor in zip(fakes_of(self.memory.result(node)), tensors_of(value), strict=False):
            fresh.setdefault(id(fake), tensor)
        for other in [*written, *(stale or [])]:
            for fake, old in zip(fakes_of(self._fake(other)), tensors_of(self.env[other]), strict=True):
                old_names.append(old.name)
                if id(fake) in fresh and fresh[id(fake)] is not old:
                    rebinds.append((fresh[id(fake)].name, old.name))
        self._rebind({id(fake) for other in [*written, *(stale or [])] for fake in fakes_of(self._fake(other))}, fresh)
        result = value if fakes_of(self._fake(node)) else None
        site = Site(
            self.order[node],
            node,
            tuple(_snapshot(n) for n in made),
            arguments,
            result,
            tuple(rebinds),
            tuple(old_names),
        )
        self.env[node] = value if result is not None else Number(None)
        self.record.values_given[node] = tuple(t.name for t in tensors_of(self.env[node]))
        self.record.sites.append(site)
        self.record.site_of |= {n.name: site for n in made}
        self.nodes.extend(made)
        if self.memory.is_outside(written):
            self.record.side_outputs.extend(t.name for n in made[-1:] for t in n.outputs)

    def _rebind(self, changed: set[int], fresh: Mapping[int, gs.Tensor]) -> None:
        for other in self.memory.holders(changed):
            if other in self.env:
                tensors = iter(tensors_of(self.env[other]))
                new = {next(tensors).name: fresh.get(id(fake)) for fake in fakes_of(self._fake(other))}
                self.env[other] = map_leaves(partial(_newer, new), self.env[other])

    def _outputs(self, node: fx.Node) -> list[gs.Tensor]:
        """Graph outputs are distinct, and made by a node: an Identity stands where the program returns others."""
        outputs: dict[str, gs.Tensor] = {}
        produced = {t.name for made in self.nodes for t in made.outputs}
        by_name = {t.name: t for made in self.nodes for t in made.outputs}

        def put_out(leaf: Any) -> Any:
            if not isinstance(leaf, gs.Tensor):
                return leaf
            if leaf.name in produced:
                outputs.setdefault(leaf.name, leaf)
                return leaf
            name = self.types.fresh(f"{leaf.name}_output")
            alias = gs.Variable(name, dtype=leaf.dtype, shape=list(leaf.shape))
            self.nodes.append(gs.Node("Identity", self.types.fresh_node(name), {}, [leaf], [alias]))
            outputs[name] = alias
            return alias

        arguments = {arg: map_leaves(put_out, self.env[arg]) for arg in node.all_input_nodes}
        self.record.output_node, self.record.output_arguments = node, arguments
        for name in self.record.side_outputs:
            outputs.setdefault(name, by_name[name])
        self.record.side_outputs = [n for n in self.record.side_outputs if n not in _names(arguments)]
        self.record.output_names = list(outputs)
        return list(outputs.values())


def _names(arguments: Mapping[fx.Node, Any]) -> set[str]:
    return {t.name for value in arguments.values() for t in tensors_of(value)}


def _newer(new: Mapping[str, gs.Tensor | None], leaf: Any) -> Any:
    if isinstance(leaf, gs.Tensor):
        return new.get(leaf.name) or leaf
    return leaf


def _snapshot(node: gs.Node) -> NodeSnapshot:
    return NodeSnapshot(
        node.name,
        node.op,
        node.domain or "",
        dict(node.attrs),
        tuple(t.name for t in node.inputs),
        tuple(t.name for t in node.outputs),
    )

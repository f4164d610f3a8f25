"""From a graph to a torch module: what no pass touched is the module's own code and its own modules again."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

import onnx_graphsurgeon as gs
from torch import fx, nn
from torch.utils import _pytree as pytree

from graphmorph.errors import MaterialiseError
from graphmorph.graph import Graph
from graphmorph.journal import ConstantEdit, Journal
from graphmorph.torch_door.arguments import Arguments, Readings
from graphmorph.torch_door.calls import Call, call_of
from graphmorph.torch_door.emission import Emission
from graphmorph.torch_door.free_paths import argument_name, clean_path
from graphmorph.torch_door.imported_graph import with_known_shapes
from graphmorph.torch_door.intact import IntactSite, intact_sites
from graphmorph.torch_door.module_clones import cloned
from graphmorph.torch_door.module_tree import Container, accessed_tensors, build_tree, called_paths, contents_of
from graphmorph.torch_door.morphed_module import MorphedModule
from graphmorph.torch_door.provenance import parameter_origins
from graphmorph.torch_door.record import DOMAIN, TraceRecord
from graphmorph.torch_door.resized_sites import resized_sites
from graphmorph.torch_door.resized_values import ResizedValues
from graphmorph.torch_door.translation_table import Translation
from graphmorph.torch_door.trees import tensors_of
from graphmorph.torch_door.units import Unit, in_order, settle_writes, units_of
from graphmorph.torch_door.values import Number


def materialise(graph: Graph, journal: Journal | None = None) -> MorphedModule:
    """A torch module that computes what a graph computes.

    A site that no pass touched calls the very module that it called (same parameters, hooks, buffers, mode); what a
    pass changed is a module of the same class with new tensors at the same path; what a pass added becomes ordinary
    modules named after their nodes. Without any pass in between, `materialise(trace(module, x))` has the module's
    outputs, state_dict and parameters. Untouched modules are shared with the original, which counts as consumed: copy
    it first (copy.deepcopy) to keep it apart.

    A graph that was loaded from an ONNX file becomes a module as well, as far as its operators have translations.

    journal: what passes did to the graph's constants; with it, the module knows where its parameters come from, and
    `graphmorph.training` lets an optimizer follow.

    Raises:
        MaterialiseError: naming the node that has no translation to torch.
    """
    return Materialiser(graph).module([] if journal is None else journal.edits)


class Materialiser:
    """Puts one module together."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph = graph if graph.traced is not None else with_known_shapes(graph)
        self.record: TraceRecord | None = graph.traced
        self.resized = ResizedValues(graph, self.record) if self.record is not None and graph.resized else None
        self.intact = self._sites()
        kept = {str(s.site.fx_node.target) for s in self.intact if s.calls_own_module}
        self.emission = Emission(graph, self.record, kept)
        self.arguments = Arguments(self.emission, self.record, self.resized)
        self.outputs = self._current_outputs()
        whole = {id(node) for site in self.intact if not site.heirs for node in site.nodes}
        self.remade = {t.name for node in graph.nodes if id(node) not in whole for t in node.outputs}

    def _sites(self) -> list[IntactSite]:
        """The sites that are still calls of the program."""
        if self.record is None:
            return []
        if self.resized is None:
            return intact_sites(self.graph, self.record)
        return resized_sites(self.graph, self.record, self.resized)

    def _current_outputs(self) -> dict[str, str]:
        """What the graph's outputs are called now, by the names that they were traced under."""
        if self.record is None:
            return {}
        if len(self.graph.outputs) != len(self.record.output_names):
            traced, left = len(self.record.output_names), len(self.graph.outputs)
            raise MaterialiseError(f"the graph has {left} outputs, and was traced with {traced}: keep them all")
        return dict(zip(self.record.output_names, (t.name for t in self.graph.outputs), strict=True))

    def module(self, edits: Iterable[ConstantEdit]) -> MorphedModule:
        self._placeholders()
        units = units_of(self.graph, self.record, self.intact)
        before = settle_writes(units, {t.name for t in self.graph.outputs})
        for unit in in_order(units, before):
            self._emit(unit)
        self._output()
        self.emission.move_hidden_tensors()
        if self.record is None:
            tree = self._bare_tree()
        else:
            called = called_paths(self.emission.graph) - set(self.emission.modules)
            read = self._still_read()
            self.emission.take_places(read)
            contents = contents_of(self.record, self.emission.modules, self.emission.tensors, called, read)
            tree = build_tree(self.record.root, contents)
            self._register_constants(tree)
        name = clean_path(self.graph.name or "MorphedModule").replace(".", "_")
        made = MorphedModule(tree, self.emission.graph, name)
        if self.record is not None:
            made.__dict__["parameter_origins"] = parameter_origins(tree, self.record, self.emission.state.made, edits)
        return made

    def _bare_tree(self) -> nn.Module:
        from graphmorph.torch_door.module_tree import Contents

        contents = Contents(self.emission.modules, self.emission.tensors, set(), set())
        root = Container()
        root.training = False
        return build_tree(root, contents)

    def _still_read(self) -> set[int]:
        """The module's own tensors that the new program reads by access or holds in a module."""
        read = set(self.emission.state.read)
        if self.record is not None:
            read |= accessed_tensors(self.record.root, self.emission.graph)
        for module in self.emission.modules.values():
            read |= {id(t) for t in (*module.parameters(), *module.buffers())}
        return read

    def _register_constants(self, tree: nn.Module) -> None:
        """Tensors that the program made of none of its inputs: buffers that no state_dict holds."""
        assert self.record is not None
        used = {str(node.target) for node in self.emission.graph.nodes if node.op == "get_attr"}
        for name, tensor in self.record.constants.items():
            if name in used and name not in self.emission.tensors:
                tree.register_buffer(name, tensor, persistent=False)

    def _placeholders(self) -> None:
        graph = self.emission.graph
        if self.record is None:
            for tensor in self.graph.inputs:
                self.emission.env[tensor.name] = graph.placeholder(argument_name(tensor.name))
            return
        for old in self.record.placeholders:
            new = graph.create_node("placeholder", old.target, old.args, {}, old.name, old.type)
            self.arguments.whole[old] = new
            if old in self.record.placeholder_values:
                self._bind(self.record.placeholder_values[old], new)
            else:
                self.arguments.numbers[old] = new

    def _bind(self, value: Any, new: fx.Node) -> None:
        """Let the tensors of a tree be what is found at their places in a value."""
        leaves = pytree.tree_flatten_with_path(value, is_leaf=lambda leaf: isinstance(leaf, gs.Tensor | Number))[0]
        for path, leaf in leaves:
            if isinstance(leaf, gs.Tensor):
                self.emission.env[leaf.name] = self._picker(new, path)

    def _picker(self, new: fx.Node, path: tuple[Any, ...]) -> Callable[[], fx.Node] | fx.Node:
        if not path:
            return new

        def pick() -> fx.Node:
            found = new
            for key in path:
                if isinstance(key, pytree.GetAttrKey):
                    found = self.emission.graph.call_function(getattr, (found, key.name))
                else:
                    index = key.key if isinstance(key, pytree.MappingKey) else key.idx
                    found = self.emission.graph.call_function(operator.getitem, (found, index))
            return found

        return pick

    def _emit(self, unit: Unit) -> None:
        if unit.number is not None:
            self.arguments.guard(unit.number.fx_node)
        elif unit.intact is not None:
            self._emit_site(unit.intact, unit.out_of_place)
        else:
            self._translate(unit)

    def _translate(self, unit: Unit) -> None:
        first, rest = unit.nodes[0], unit.nodes[1:]
        if first.domain == DOMAIN:
            raise MaterialiseError(
                f"node {first.name} ({first.attrs.get('target')}) is opaque ({first.attrs.get('reason')}), and a pass "
                "changed what it reads or holds: only what is lowered can be rewritten"
            )
        translation = Translation(self.emission, first, rest[0] if rest else None)
        self._give(translation.translate(), rest[0] if translation.took_following else first)
        if rest and not translation.took_following:
            self._give(Translation(self.emission, rest[0]).translate(), rest[0])

    def _give(self, made: tuple[fx.Node, ...], node: gs.Node) -> None:
        for value, tensor in zip(made, node.outputs, strict=False):
            if tensor.name:
                self.emission.env[tensor.name] = value

    def _emit_site(self, intact: IntactSite, out_of_place: bool) -> None:
        site, old = intact.site, intact.site.fx_node
        call = intact.call or call_of(self.record.root, old)  # type: ignore[union-attr]
        copies = self._copies(intact) if out_of_place else {}
        readings = Readings(intact.renamed, intact.heirs)

        def argument(node: fx.Node) -> Any:
            return self.arguments.argument(node, site.arguments[node], readings, copies)

        args, kwargs = fx.map_arg(call.args, argument), fx.map_arg(dict(call.kwargs), argument)
        new = self.emission.graph.create_node(old.op, self._target(intact, call), args, kwargs, old.name, old.type)
        if old.meta.get("is_wrapped"):
            new.meta["is_wrapped"] = True
        self.arguments.whole[old] = new
        if site.result is not None:
            self._bind(site.result, new)
        given = {t.name for t in tensors_of(site.result)} if site.result is not None else set()
        for fresh, before in site.rebinds:
            if fresh not in given:
                self.emission.env[fresh] = copies.get(before) or self.arguments.current(before, intact.renamed)

    def _target(self, intact: IntactSite, call: Call) -> Any:
        """What is called: the very module, or a copy of it with other tensors and settings; a view may have to copy."""
        if call.module is not None and not intact.calls_own_module:
            module = call.module
            tensors = {path: self.emission.state.inherited(heir) for path, heir in intact.tensors.items()}
            return self.emission.layer_path(
                intact.nodes, lambda: cloned(module, tensors, intact.settings), twin_of=module
            )
        return "reshape" if call.op == "call_method" and call.target == "view" and self._moved(intact) else call.target

    def _moved(self, intact: IntactSite) -> bool:
        """Whether what a view reads is made in another way than before: it may not lie in memory as it did."""
        return any(now.name != old or old in self.remade for old, now in intact.renamed.items())

    def _copies(self, intact: IntactSite) -> dict[str, fx.Node]:
        """Copies of what a write in place would overwrite.

        Raises:
            MaterialiseError: it writes through a view, of which a copy would not do.
        """
        site = intact.site
        names = {
            name for name in site.written if any(name == t.name for v in site.arguments.values() for t in tensors_of(v))
        }
        rebound = {before for _, before in site.rebinds}
        if rebound - names:
            raise MaterialiseError(
                f"{site.fx_node.format_node()}: writes in place through a view, and what it writes into is read "
                "elsewhere after a pass changed the graph; write the model without the in-place operation"
            )
        return {
            name: self.emission.graph.call_method("clone", (self.arguments.current(name, intact.renamed),))
            for name in sorted(names)
        }

    def _output(self) -> None:
        graph = self.emission.graph
        if self.record is None or self.record.output_node is None:
            values = [self.emission.value(t) for t in self.graph.outputs]
            graph.output(values[0] if len(values) == 1 else tuple(values))
            return
        renamed = {old: _named(self.graph, new) for old, new in self.outputs.items()}
        old_output = self.record.output_node
        graph.output(
            fx.map_arg(old_output.args[0], lambda node: self.arguments.returned(node, renamed)), old_output.type
        )


def _named(graph: Graph, name: str) -> gs.Tensor:
    return next(t for t in graph.outputs if t.name == name)

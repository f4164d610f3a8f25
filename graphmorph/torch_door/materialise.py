"""From a graph to a torch module: what no pass touched is the module's own code and its own modules again."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import onnx_graphsurgeon as gs
import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from graphmorph.errors import MaterialiseError
from graphmorph.graph import Graph
from graphmorph.journal import ConstantEdit, Journal
from graphmorph.torch_door.calls import Call, call_of
from graphmorph.torch_door.emission import Emission, argument_name, clean_path
from graphmorph.torch_door.imported_graph import with_known_shapes
from graphmorph.torch_door.intact import Heir, IntactSite, intact_sites
from graphmorph.torch_door.module_clones import cloned
from graphmorph.torch_door.module_tree import Container, accessed_tensors, build_tree, called_paths, contents_of
from graphmorph.torch_door.morphed_module import MorphedModule
from graphmorph.torch_door.provenance import parameter_origins
from graphmorph.torch_door.record import DOMAIN, TraceRecord
from graphmorph.torch_door.resized_guards import guard_of
from graphmorph.torch_door.resized_sites import resized_sites
from graphmorph.torch_door.resized_values import ResizedValues
from graphmorph.torch_door.translation_table import Translation
from graphmorph.torch_door.trees import map_leaves, tensors_of
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


@dataclass(frozen=True)
class Readings:
    """What a reader of old values reads now: other tensors, by the old names, and heirs of the module's own tensors."""

    renamed: Mapping[str, gs.Tensor] = field(default_factory=dict)
    heirs: Mapping[int, Heir] = field(default_factory=dict)


class Materialiser:
    """Puts one module together."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph = graph if graph.traced is not None else with_known_shapes(graph)
        self.record: TraceRecord | None = graph.traced
        self.resized = ResizedValues(graph, self.record) if self.record is not None and graph.resized else None
        self.intact = self._sites()
        kept = {str(s.site.fx_node.target) for s in self.intact if s.calls_own_module}
        self.emission = Emission(graph, self.record, kept)
        self.whole: dict[fx.Node, fx.Node] = {}
        self.numbers: dict[fx.Node, Any] = {}
        self.outputs = self._current_outputs()
        whole = {id(node) for site in self.intact for node in site.nodes}
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
            made.__dict__["parameter_origins"] = parameter_origins(tree, self.record, self.emission.made, edits)
        return made

    def _bare_tree(self) -> nn.Module:
        from graphmorph.torch_door.module_tree import Contents

        contents = Contents(self.emission.modules, self.emission.tensors, set(), set())
        root = Container()
        root.training = False
        return build_tree(root, contents)

    def _still_read(self) -> set[int]:
        """The module's own tensors that the new program reads by access or holds in a module."""
        read = set(self.emission.read)
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
            self.whole[old] = new
            if old in self.record.placeholder_values:
                self._bind(self.record.placeholder_values[old], new)
            else:
                self.numbers[old] = new

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
            self._guard(unit.number.fx_node)
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
            return self._argument(node, site.arguments[node], readings, copies)

        args, kwargs = fx.map_arg(call.args, argument), fx.map_arg(dict(call.kwargs), argument)
        new = self.emission.graph.create_node(old.op, self._target(intact, call), args, kwargs, old.name, old.type)
        if old.meta.get("is_wrapped"):
            new.meta["is_wrapped"] = True
        self.whole[old] = new
        if site.result is not None:
            self._bind(site.result, new)
        given = {t.name for t in tensors_of(site.result)} if site.result is not None else set()
        for fresh, before in site.rebinds:
            if fresh not in given:
                self.emission.env[fresh] = copies.get(before) or self._current(before, intact.renamed)

    def _target(self, intact: IntactSite, call: Call) -> Any:
        """What is called: the very module, or a copy of it with other tensors and settings; a view may have to copy."""
        if call.module is not None and not intact.calls_own_module:
            module = call.module
            tensors = {path: self.emission.inherited(heir) for path, heir in intact.tensors.items()}
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
            name: self.emission.graph.call_method("clone", (self._current(name, intact.renamed),))
            for name in sorted(names)
        }

    def _current(self, name: str, renamed: dict[str, gs.Tensor]) -> fx.Node:
        if name in renamed:
            return self.emission.value(renamed[name])
        if name not in self.emission.env:
            raise MaterialiseError(f"tensor {name} is gone, but the program still reads it, or its shape")
        found = self.emission.env[name]
        if callable(found):
            found = self.emission.env[name] = found()
        return found  # type: ignore[no-any-return]

    def _argument(self, node: fx.Node, value: Any, readings: Readings, copies: dict[str, fx.Node]) -> Any:
        """What an argument of the old node is in the new graph."""
        if isinstance(value, Number):
            return self._number(node)
        if isinstance(value, gs.Tensor):
            return copies.get(value.name) or self._tensor(value, readings)
        tensors = tensors_of(value)
        same = all(readings.renamed.get(t.name, t).name == t.name and t.name not in copies for t in tensors)
        if node in self.whole and same and self._gives(node, tensors):
            return self.whole[node]
        return _plain(map_leaves(lambda leaf: self._leaf(leaf, readings, copies), value))

    def _gives(self, node: fx.Node, tensors: list[gs.Tensor]) -> bool:
        """Whether a whole value is still what its node gave: nothing in it has been written into since."""
        assert self.record is not None
        given = self.record.values_given.get(node, ())
        return tuple(t.name for t in tensors) == tuple(given)

    def _leaf(self, leaf: Any, readings: Readings, copies: dict[str, fx.Node]) -> Any:
        if isinstance(leaf, gs.Tensor):
            return copies.get(leaf.name) or self._tensor(leaf, readings)
        return leaf.value

    def _tensor(self, tensor: gs.Tensor, readings: Readings) -> fx.Node:
        if not isinstance(tensor, gs.Constant):
            return self._current(tensor.name, readings.renamed)
        known = self.record.parameters.get(tensor.name) if self.record is not None else None
        heir = readings.heirs.get(id(known.source)) if known is not None else None
        return self.emission.access(tensor) if heir is None else self.emission.heir(heir)

    def _number(self, node: fx.Node) -> Any:
        """Computes a number again, and what it depends on."""
        if node in self.numbers:
            return self.numbers[node]
        assert self.record is not None
        site = self.record.numbers.get(node)
        if site is None:
            if node not in self.whole:
                raise MaterialiseError(f"{node.format_node()}: its number cannot be computed any more after a pass")
            return self.whole[node]
        settled = self.resized.settled(node) if self.resized is not None else None
        if site.fixed or settled is not None:
            self.numbers[node] = _plain(site.traced.value if site.fixed else settled)
        elif node.op == "get_attr":
            self.numbers[node] = self.emission.attribute(str(node.target))
        else:
            self.numbers[node] = self._computed(node, call_of(self.record.root, node), {})
        return self.numbers[node]

    def _computed(self, node: fx.Node, call: Call, known: Mapping[fx.Node, fx.Node]) -> fx.Node:
        """A node that computes a number, or checks one, with a call; `known` stands for some of its arguments."""
        assert self.record is not None
        site = self.record.numbers[node]

        def argument(arg: fx.Node) -> Any:
            return known[arg] if arg in known else self._argument(arg, site.arguments[arg], Readings(), {})

        args, kwargs = fx.map_arg(call.args, argument), fx.map_arg(dict(call.kwargs), argument)
        return self.emission.graph.create_node(node.op, node.target, args, kwargs, node.name, node.type)

    def _guard(self, node: fx.Node) -> None:
        """An assertion; what it says of resized axes is said of their new sizes, or not said."""
        if self.resized is None or not any(self.resized.has_changed(arg) for arg in self._numbers_of(node)):
            self._number(node)
            return
        guard = guard_of(self.resized, node)
        if guard is not None:
            call, condition, said = guard
            known = {} if condition is None or said is None else {condition: self._computed(condition, said, {})}
            self._computed(node, call, known)

    def _numbers_of(self, node: fx.Node) -> list[fx.Node]:
        """A number and all that it is computed from."""
        assert self.record is not None
        found: dict[fx.Node, None] = {}
        pending = [node]
        while pending:
            for arg in pending.pop().all_input_nodes:
                if arg in self.record.numbers and arg not in found:
                    found[arg] = None
                    pending.append(arg)
        return list(found)

    def _output(self) -> None:
        graph = self.emission.graph
        if self.record is None or self.record.output_node is None:
            values = [self.emission.value(t) for t in self.graph.outputs]
            graph.output(values[0] if len(values) == 1 else tuple(values))
            return
        readings = Readings({old: _named(self.graph, new) for old, new in self.outputs.items()})
        record, old_output = self.record, self.record.output_node

        def argument(node: fx.Node) -> Any:
            if node in record.numbers and self.resized is not None and self.resized.has_changed(node):
                return _plain(record.numbers[node].traced.value)  # as the masked original returns
            return self._argument(node, record.output_arguments[node], readings, {})

        graph.output(fx.map_arg(old_output.args[0], argument), old_output.type)


def _named(graph: Graph, name: str) -> gs.Tensor:
    return next(t for t in graph.outputs if t.name == name)


def _plain(value: Any) -> Any:
    """fx arguments are plain tuples, lists and dicts."""
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value

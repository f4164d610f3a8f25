"""The one way to change a graph: edits are staged for a site, then committed together and written down."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.entries import entries
from graphmorph.errors import GraphError, RefusedError
from graphmorph.facts import Dimension, Facts
from graphmorph.graph import Graph, constant_array
from graphmorph.journal import ConstantEdit, Journal, Slice
from graphmorph.names import NameAllocator
from graphmorph.onnx_door import add_constant
from graphmorph.runtime.protocol import TensorFacts


@dataclass
class Edit:
    """What one site did: nodes out, nodes in, and its new constants before they were rounded.

    touched: nodes that stay, with other inputs or attributes. ahead: by the identity of a new node, the node that stays
    and that it goes before. rereads, attributes, sizes: what becomes of touched nodes and of tensors at the commit.
    """

    root: str
    old: list[gs.Node] = field(default_factory=list)
    new: list[gs.Node] = field(default_factory=list)
    exact: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    constants: list[ConstantEdit] = field(default_factory=list)
    ahead: dict[int, gs.Node] = field(default_factory=dict)
    rereads: dict[tuple[int, int], tuple[gs.Node, gs.Tensor]] = field(default_factory=dict)
    attributes: list[tuple[gs.Node, str, Any]] = field(default_factory=list)
    sizes: dict[str, tuple[gs.Tensor, dict[int, Dimension]]] = field(default_factory=dict)

    @property
    def touched(self) -> list[gs.Node]:
        """Each node that is edited in place, once."""
        nodes = [*(node for node, _ in self.rereads.values()), *(node for node, _, _ in self.attributes)]
        return list({id(node): node for node in nodes}.values())

    def still_reads(self, node: gs.Node, tensor: gs.Tensor) -> bool:
        """Whether a node reads a tensor after the commit, too."""
        return any(t is tensor and (id(node), index) not in self.rereads for index, t in enumerate(node.inputs))


class Editor:
    """Edits one graph. Nodes are replaced, or edited in place (`reread`, `set_attribute`).

    Constants are never written into: a rewrite makes new ones, and the old stay for whoever else reads them. Nodes are
    found and removed by identity (graphsurgeon compares them by value) and in time that does not grow with the graph.
    """

    def __init__(self, graph: Graph, facts: Facts, journal: Journal, names: NameAllocator | None = None) -> None:
        self.graph = graph
        self.facts = facts
        self.journal = journal
        self.names = names or NameAllocator(graph)
        self.rewrite = ""
        self._edit: Edit | None = None
        self._removed: set[int] = set()
        self._in_place_of: dict[int, list[gs.Node]] = {}
        self._upstream: list[gs.Tensor] = []
        self._made: dict[tuple[Any, ...], gs.Constant] = {}

    def begin(self, rewrite: str, root: str) -> None:
        """Start the edit of one site."""
        self.rewrite = rewrite
        self._edit = Edit(root)

    @property
    def edit(self) -> Edit:
        if self._edit is None:
            raise GraphError("an edit outside a site: call begin() first")
        return self._edit

    def constant(
        self,
        name: str,
        exact: NDArray[np.float64],
        dtype: np.dtype[Any],
        made_from: Sequence[str] = (),
        *,
        role: Hashable = None,
    ) -> gs.Constant:
        """A new constant, rounded once from float64 to `dtype`.

        Two sites that make the same of the same constants share it: weights that were shared stay so. Those of
        different roles stay apart even if their values are the same, as two parameters that start alike do.

        Raises:
            RefusedError: where a value leaves the range of `dtype`.
        """
        rounded = _rounded(exact, dtype)
        key = (role, tuple(made_from), str(dtype), rounded.shape, hash(rounded.tobytes()))
        known = self._made.get(key)
        if known is not None and np.array_equal(constant_array(known), rounded):
            self.edit.exact[known.name] = exact
            return known
        fresh = self.names.fresh(name)
        constant = add_constant(self.graph, fresh, rounded)
        self._made[key] = constant
        self.edit.exact[fresh] = exact
        self._note(fresh, made_from)
        return constant

    def _note(self, name: str, made_from: Sequence[str], slices: Sequence[Slice] = ()) -> None:
        """Write down what a new constant was made from."""
        self.edit.constants.append(ConstantEdit(self.rewrite, name, tuple(made_from), tuple(slices)))
        origins = self.graph.origins
        self.graph.origins[name] = tuple(
            o for one in made_from for o in (origins.get(one, (one,)) if one == name else (one,))
        )

    def values(
        self, name: str, values: NDArray[Any], made_from: Sequence[str] = (), *, takes_over: bool = False
    ) -> gs.Constant:
        """A new constant of any type, taken as it is. takes_over: it may have the name of one that goes."""
        fresh = self._named_after(name, takes_over)
        self._note(fresh, made_from)
        return add_constant(self.graph, fresh, values)

    def sliced(
        self,
        constant: gs.Constant,
        slices: Sequence[Slice],
        exact: NDArray[np.float64] | None = None,
        *,
        takes_over: bool = False,
    ) -> gs.Constant:
        """A new constant: some entries of another along some axes, in its type.

        exact: what these entries hold, rounded once, where that is not what they were; they may be new then.
        takes_over: nobody reads the old one any more, and the new one has its name.

        Raises:
            GraphError: a slice asks for entries that the old constant does not have.
            RefusedError: where a value leaves the range of the type.
        """
        if exact is not None:
            values = np.asarray(_rounded(exact, np.dtype(constant.dtype)), order="C")
        elif any(one.has_new for one in slices):
            raise GraphError(f"{self.rewrite} takes new entries of {constant.name}, which has none")
        else:
            values = entries(constant, slices)
        fresh = self._named_after(constant.name, takes_over)
        self._note(fresh, (constant.name,), slices)
        return add_constant(self.graph, fresh, values)

    def _named_after(self, name: str, takes_over: bool) -> str:
        if takes_over:
            self.names.release(name)
        return self.names.fresh(name)

    def tensor(self, like: gs.Tensor, name: str, shape: Sequence[Dimension] | None = None) -> gs.Variable:
        """A new tensor with the type of another, and with its shape unless one is given."""
        fresh = self.names.fresh(name)
        known = self.facts.shapes.get(like.name)
        if known is not None:
            self._learn(fresh, known if shape is None else known._replace(shape=tuple(shape)))
        return gs.Variable(fresh, dtype=like.dtype, shape=like.shape if shape is None else list(shape))

    def _learn(self, name: str, facts: TensorFacts) -> None:
        shapes = self.facts.shapes
        if isinstance(shapes, dict):
            shapes[name] = facts

    def node(
        self,
        op: str,
        name: str,
        inputs: Sequence[gs.Tensor],
        output: gs.Tensor,
        attrs: Mapping[str, Any] | None = None,
        *,
        in_place_of: gs.Node | None = None,
        ahead_of: gs.Node | None = None,
    ) -> gs.Node:
        """A new node. `in_place_of`, a node that the same edit removes, hands its name on.

        It goes where the root was made, or before `ahead_of`, a node that stays.
        """
        if in_place_of is not None and in_place_of.name:
            self.names.release(in_place_of.name)
            name = in_place_of.name
        node = gs.Node(op, self.names.fresh(name), dict(attrs or {}), list(inputs), [output])
        self.edit.new.append(node)
        if ahead_of is not None:
            self.edit.ahead[id(node)] = ahead_of
        return node

    def root_stand_in(self, root: gs.Tensor) -> gs.Variable:
        """A tensor by the name of the root, for the new nodes to write until the commit hands them the real one."""
        return gs.Variable(root.name, dtype=root.dtype, shape=root.shape)

    def remove(self, nodes: Iterable[gs.Node]) -> None:
        """Take nodes out, in the same commit."""
        self.edit.old.extend(nodes)

    def reread(self, node: gs.Node, index: int, tensor: gs.Tensor) -> None:
        """Let `node.inputs[index]` be another tensor, in the same commit; an optional input may be given anew."""
        self.edit.rereads[id(node), index] = (node, tensor)

    def set_attribute(self, node: gs.Node, name: str, value: Any) -> None:
        """Give an attribute another value, in the same commit; None takes it away."""
        self.edit.attributes.append((node, name, value))

    def resize(self, tensor: gs.Tensor, sizes: Mapping[int, Dimension]) -> None:
        """Let a tensor have other sizes along some axes, in the same commit; None: they are not known any more."""
        self.edit.sizes[tensor.name] = (tensor, dict(sizes))

    def abort(self) -> None:
        """Forget the staged edit; the graph is as it was."""
        for node in self.edit.new:
            _detach(node)
        self._edit = None

    def commit(self) -> Edit:
        """Put the new nodes where they belong (see `node`), edit nodes in place, and remove the old ones.

        Raises:
            GraphError: where somebody outside the site still reads a tensor that would be gone.
        """
        edit = self.edit
        kept = {tensor.name for node in edit.new for tensor in node.outputs}
        going = {id(node) for node in edit.old}
        for node in edit.old:
            for tensor in node.outputs:
                outside = any(id(reader) not in going and edit.still_reads(reader, tensor) for reader in tensor.outputs)
                if tensor.name and tensor.name not in kept and (outside or self.facts.is_pinned(tensor.name)):
                    raise GraphError(f"{self.rewrite} would remove {tensor.name}, which is still read")
        place = next((node for node in edit.old if any(t.name == edit.root for t in node.outputs)), None)
        roots = {t.name: t for node in edit.old for t in node.outputs if t.name in kept}
        for node in edit.old:
            self._upstream.extend(node.inputs)
            _detach(node)
            self._removed.add(id(node))
        for node in edit.new:
            for index, stand_in in enumerate(list(node.outputs)):
                if stand_in.name in roots:
                    _drop(stand_in.inputs, node)
                    list.__setitem__(node.outputs, index, roots[stand_in.name])
                    list.append(roots[stand_in.name].inputs, node)
        for node in edit.new:
            where = edit.ahead.get(id(node), place)
            if where is None:
                raise GraphError(f"{self.rewrite} adds nodes at {edit.root}, which nothing that it removes produces")
            self._in_place_of.setdefault(id(where), []).append(node)
        self._write_down(edit)
        self._edit_in_place(edit)
        self._edit = None
        return edit

    def _edit_in_place(self, edit: Edit) -> None:
        for (_, index), (node, tensor) in edit.rereads.items():
            while len(node.inputs) <= index:
                list.append(node.inputs, gs.Variable.empty())
            old = node.inputs[index]
            _drop(old.outputs, node)
            self._upstream.append(old)
            list.__setitem__(node.inputs, index, tensor)
            list.append(tensor.outputs, node)
        for node, name, value in edit.attributes:
            if value is None:
                node.attrs.pop(name, None)
            else:
                node.attrs[name] = value
        for tensor, sizes in edit.sizes.values():
            self._resize(tensor, sizes)

    def _resize(self, tensor: gs.Tensor, sizes: Mapping[int, Dimension]) -> None:
        """A tensor of which the model says no shape stays so: what is not said cannot be wrong."""
        known = self.facts.shapes.get(tensor.name)
        shape = None if known is None else _with_sizes(known.shape, sizes)
        tensor.shape = _with_sizes(tensor.shape, sizes)
        if known is not None:
            self._learn(tensor.name, known._replace(shape=None if shape is None else tuple(shape)))
        shape = tensor.shape if shape is None else shape
        if shape is not None:
            self.graph.resized[tensor.name] = tuple(shape)

    def _write_down(self, edit: Edit) -> None:
        self.journal.edits.extend(edit.constants)
        self.journal.nodes_removed += len(edit.old)
        self.journal.nodes_added += len(edit.new)
        self.journal.nodes_changed += len(edit.touched)

    def make_constant(self, node: gs.Node, output: str, value: gs.Constant | NDArray[Any]) -> None:
        """Let the readers of a node's output read a constant; a node with no other output goes."""
        tensor = next(t for t in node.outputs if t.name == output)
        values = value._values if isinstance(value, gs.Constant) else None
        if len(node.outputs) == 1:
            self.names.release(output)
        fresh = self.names.fresh(output)
        constant = (
            gs.Constant(fresh, values) if values is not None else add_constant(self.graph, fresh, np.asarray(value))
        )
        made_from = tuple(t.name for t in node.inputs if isinstance(t, gs.Constant))
        self._note(fresh, made_from)
        self.redirect(tensor, constant)
        if len(node.outputs) == 1:
            self.remove([node])

    def bypass(self, node: gs.Node) -> None:
        """Remove a node whose first output is its first input; a graph output keeps its name."""
        source, output = node.inputs[0], node.outputs[0]
        if not self.facts.is_pinned(output.name):
            self.redirect(output, source)
        else:
            producer = self.facts.producer[source.name]
            self.redirect(source, output)
            index = next(i for i, t in enumerate(producer.outputs) if t is source)
            _drop(output.inputs, node)
            list.clear(node.outputs)
            list.__setitem__(producer.outputs, index, output)
            list.clear(source.inputs)
            list.append(output.inputs, producer)
        self.remove([node])

    def redirect(self, old: gs.Tensor, new: gs.Tensor) -> None:
        """Let every node that reads `old` read `new` instead."""
        for node in list(old.outputs):
            for index, tensor in enumerate(node.inputs):
                if tensor is old:
                    list.__setitem__(node.inputs, index, new)
                    list.append(new.outputs, node)
        list.clear(old.outputs)

    def flush(self) -> None:
        """Rebuild the node list once, after all sites of a round."""
        if not self._removed and not self._in_place_of and not self._upstream:
            return
        self._remove_orphans()
        nodes: list[gs.Node] = []
        for node in self.graph.nodes:
            nodes.extend(new for new in self._in_place_of.get(id(node), ()) if id(new) not in self._removed)
            if id(node) not in self._removed:
                nodes.append(node)
        self.graph.nodes = nodes
        self._removed, self._in_place_of = set(), {}

    def _remove_orphans(self) -> None:
        """Take out nodes that fed only what was removed, and those that fed only them."""
        while self._upstream:
            for node in list(self._upstream.pop().inputs):
                if id(node) in self._removed or not self.facts.is_standard(node):
                    continue
                if any(t.outputs or self.facts.is_pinned(t.name) or t.name in self.facts.kept for t in node.outputs):
                    continue
                self._upstream.extend(node.inputs)
                _detach(node)
                self._removed.add(id(node))
                self.journal.nodes_removed += 1


def _rounded(exact: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = exact.astype(dtype)
    if not np.all(np.isfinite(rounded)):
        largest = float(np.max(np.abs(exact))) if np.all(np.isfinite(exact)) else float("nan")
        raise RefusedError(f"its weights leave the range of {dtype} (largest magnitude {largest:.4g})")
    return rounded


def _with_sizes(shape: Sequence[Dimension] | None, sizes: Mapping[int, Dimension]) -> list[Dimension] | None:
    return None if shape is None else [sizes.get(axis, size) for axis, size in enumerate(shape)]


def _drop(items: list[Any], item: object) -> None:
    """Remove by identity, without graphsurgeon's bookkeeping on the other side."""
    for index, candidate in enumerate(items):
        if candidate is item:
            list.__delitem__(items, index)
            return


def _detach(node: gs.Node) -> None:
    for tensor in node.inputs:
        _drop(tensor.outputs, node)
    for tensor in node.outputs:
        _drop(tensor.inputs, node)
    list.clear(node.inputs)
    list.clear(node.outputs)

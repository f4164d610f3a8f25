"""Channel dependencies of a graph: one walk forward, then connected components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.channels import rules
from graphmorph.channels.components import Components
from graphmorph.channels.constants import OpenSlot, Slot, Use, node_key
from graphmorph.channels.elements import WALL, Axes, Choice, Elements, Read, Reason
from graphmorph.channels.groups import Group, find_groups
from graphmorph.channels.sharing import uses_apart
from graphmorph.channels.sizes import Sizes
from graphmorph.channels.view import RULES, View, no_axes
from graphmorph.facts import Facts, subgraphs

#: By element id: whether it stays.
Kept = NDArray[np.bool_]


@dataclass(eq=False)
class Analysis:
    """What the walk found.

    axes: of every tensor that is no constant, by name. slots: constants, as their readers see them. slot_of: by use.
    reads: where nodes sum or take statistics over elements. choices: axes that are products of factors.
    """

    facts: Facts
    sizes: Sizes
    elements: Elements
    components: Components
    axes: Mapping[str, Axes]
    slots: tuple[Slot, ...]
    slot_of: Mapping[Use, Slot]
    reads: tuple[Read, ...]
    #: Why a node was not looked through, by its first output.
    declined: Mapping[str, Reason] = field(default_factory=dict)

    @property
    def choices(self) -> list[Choice]:
        return self.elements.choices

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Units that are alike, and compete with each other."""
        return find_groups(self)

    def all_kept(self) -> Kept:
        """Nothing goes."""
        return np.ones(self.elements.count, np.bool_)

    def kept_without(self, units: NDArray[np.int64]) -> Kept:
        """By element id, whether it stays when some units (labels of components) go."""
        gone = np.zeros(self.components.walled.size, np.bool_)
        gone[units] = True
        kept: Kept = ~gone[self.components.label]
        kept[WALL] = True
        return kept

    def operand(self, node: gs.Node, index: int) -> Axes | None:
        """The axes of an input of a node, variable or constant; None where nothing is known of it."""
        tensor = node.inputs[index]
        if isinstance(tensor, gs.Constant):
            slot = self.slot_of.get(Use(node_key(node), index))
            return slot.axes if slot is not None else None
        return self.axes.get(tensor.name)


def analyse(facts: Facts, sizes: Sizes) -> Analysis:
    """Walk the graph once and find what lives and dies together. Reads no weights.

    sizes: of every tensor, in one run; a node whose sizes are not known is a wall.
    """
    return _Walk(facts, sizes).run()


class _Walk:
    def __init__(self, facts: Facts, sizes: Sizes) -> None:
        self.facts, self.sizes = facts, sizes
        self.elements = Elements()
        self.axes: dict[str, Axes] = {}
        self.slots: list[OpenSlot] = []
        self.slot_of: dict[Use, OpenSlot] = {}
        self.reads: list[Read] = []
        self.declined: dict[str, Reason] = {}
        rules.load()

    def run(self) -> Analysis:
        self._constants()
        for tensor in self.facts.graph.inputs:
            self._give(tensor, None)
        for node in self.facts.order:
            self._node(node)
        for tensor in self.facts.graph.outputs:
            reason = Reason(tensor.name, "output", "its shape is part of what the model promises")
            for axis in self.axes.get(tensor.name, ()):
                self.elements.wall(axis, reason)
        slots = tuple(slot.closed() for slot in self.slots)
        components = Components(self.elements)
        slot_of = {use: slot for slot in slots for use in slot.uses}
        reads = tuple(self.reads)
        return Analysis(
            self.facts, self.sizes, self.elements, components, self.axes, slots, slot_of, reads, self.declined
        )

    def _constants(self) -> None:
        """A slot for every use of a constant that may be sliced apart."""
        for name, uses in uses_apart(self.facts):
            constant = self.facts.tensors[name]
            shape = tuple(int(n) for n in constant.shape)
            slot = OpenSlot(name, shape, uses, self.elements)
            self.slots.append(slot)
            self.slot_of.update(dict.fromkeys(uses, slot))

    def _give(self, tensor: gs.Tensor, axes: Axes | None) -> None:
        sizes = self.sizes.get(tensor.name)
        if sizes is None:
            return
        if axes is None or len(axes) != len(sizes):
            axes = no_axes(len(sizes))
        self.axes[tensor.name] = axes

    def _operands(self, node: gs.Node) -> list[Axes | OpenSlot | None]:
        found: list[Axes | OpenSlot | None] = []
        key = node_key(node)
        for index, tensor in enumerate(node.inputs):
            if not tensor.name:
                found.append(())
            elif isinstance(tensor, gs.Constant):
                found.append(self.slot_of.get(Use(key, index)))
            else:
                found.append(self.axes.get(tensor.name))
        return found

    def _node(self, node: gs.Node) -> None:
        view = View(node, self.facts, self.sizes, self.elements, self._operands(node))
        function = RULES.get(node.op) if self.facts.is_standard(node) else None
        if any(True for _ in subgraphs(node)):
            view.stop("it has a body of its own (If, Loop, Scan)")
        elif function is None:
            view.stop("this operator has no channel rule" if self.facts.is_standard(node) else f"domain {node.domain}")
        elif self._is_kept(node):
            view.stop("asked to be left alone")
        else:
            try:
                function(view)
            except LookupError as unknown:
                view.stop(str(unknown.args[0]))
        if view.stopped is not None:
            self.declined[view.name] = view.reason(view.stopped)
            self._wall_read(node, view, view.stopped)
        self.reads.extend(view.reads)
        for place, tensor in enumerate(node.outputs):
            if tensor.name:
                self._give(tensor, view.outputs[place] if place < len(view.outputs) else None)

    def _is_kept(self, node: gs.Node) -> bool:
        return bool(node.outputs) and node.outputs[0].name in self.facts.kept

    def _wall_read(self, node: gs.Node, view: View, text: str) -> None:
        """All that a node reads, of some inputs maybe sizes alone; and what a body reads of the graph around it."""
        sizes = self.facts.sizes_read(node)
        for index, known in enumerate(view.inputs):
            if known is not None:
                read = sizes.get(index, range(view.rank(index)))
                view.wall_all(index, text, but=[axis for axis in range(view.rank(index)) if axis not in read])
        for body in subgraphs(node):
            for tensor in (t for inner in body.nodes for t in inner.inputs):
                for axis in self._captured_axes(tensor):
                    self.elements.wall(axis, view.reason(text))

    def _captured_axes(self, tensor: gs.Tensor) -> Axes:
        if tensor.name in self.axes:
            return self.axes[tensor.name]
        return tuple(axis for slot in self.slots if slot.name == tensor.name for axis in slot.axes())

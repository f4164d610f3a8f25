"""What a rule sees of one node: the axes of its inputs, and how to say what it does with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.channels.constants import OpenSlot, node_key
from graphmorph.channels.elements import Axes, Axis, Choice, Elements, Option, Read, ReadKind, Reason
from graphmorph.channels.sizes import Sizes
from graphmorph.facts import Facts
from graphmorph.graph import constant_array


@dataclass
class View:
    """One node. Axes of inputs are there in topological order; a rule gives those of the outputs, and records reads.

    Whatever a rule does not give is a wall, and so is what it declines.
    """

    node: gs.Node
    facts: Facts
    sizes: Sizes
    elements: Elements
    inputs: Sequence[Axes | OpenSlot | None]
    outputs: list[Axes | None] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    #: What `stop` was told, where the rule declined.
    stopped: str | None = None

    @property
    def name(self) -> str:
        return node_key(self.node)

    @property
    def opset(self) -> int:
        return self.facts.opset

    def attribute(self, name: str, default: Any = None) -> Any:
        return self.node.attrs.get(name, default)

    def has(self, index: int) -> bool:
        """Whether an optional input is given."""
        return index < len(self.node.inputs) and bool(self.node.inputs[index].name)

    def is_constant(self, index: int) -> bool:
        return self.has(index) and isinstance(self.node.inputs[index], gs.Constant)

    def integers(self, index: int) -> list[int] | None:
        """A constant input of integers; None where it is not given or not constant."""
        return self.facts.integers(self.node.inputs[index]) if self.is_constant(index) else None

    def array(self, index: int) -> np.ndarray:
        """A constant input as it is."""
        return constant_array(self.node.inputs[index])

    def axes(self, index: int) -> Axes:
        """The axes of an input; all walls where nothing is known of it.

        Raises:
            LookupError: not even its rank is known.
        """
        known = self.inputs[index]
        name = self.node.inputs[index].name
        if known is None and name in self.facts.overridable:
            raise LookupError(f"{name} is an input with a default value: freeze initializers")
        if known is None:
            raise LookupError(f"the sizes of {name} are not known")
        return known.axes() if isinstance(known, OpenSlot) else known

    def size(self, index: int) -> tuple[int, ...]:
        """The sizes of an input in the run that was looked at.

        Raises:
            LookupError: they are not known.
        """
        return self._sizes(self.node.inputs[index])

    def output_size(self, index: int = 0) -> tuple[int, ...]:
        """The sizes of an output in the run that was looked at.

        Raises:
            LookupError: they are not known.
        """
        return self._sizes(self.node.outputs[index])

    def _sizes(self, tensor: gs.Tensor) -> tuple[int, ...]:
        if isinstance(tensor, gs.Constant):
            return tuple(int(n) for n in tensor.shape)
        known = self.sizes.get(tensor.name)
        if known is None:
            raise LookupError(f"the sizes of {tensor.name} are not known")
        return known

    def rank(self, index: int) -> int:
        known = self.inputs[index]
        return len(known.shape) if isinstance(known, OpenSlot) else len(self.axes(index))

    def normal(self, axis: int, index: int = 0) -> int:
        """An axis counted from the front."""
        return axis + self.rank(index) if axis < 0 else axis

    def reason(self, text: str) -> Reason:
        return Reason(self.name, self.node.op, text)

    def fresh(self, size: int) -> Axis:
        """New ids; an axis of size 1 is a wall."""
        return self.elements.fresh(size) if size > 1 else None

    def link(self, first: Axis, second: Axis, text: str) -> Axis:
        """Two axes become one; returns it."""
        self.elements.link(first, second, self.reason(text))
        return None if first is None or second is None else first

    def meet(self, axis: Axis, index: int, place: int, text: str) -> Axis:
        """An axis becomes one with an axis of an input; returns it."""
        known = self.inputs[index]
        if isinstance(known, OpenSlot) and not known.is_bound(place) and known.shape[place] > 1:
            known.bind(place, axis)
            return axis
        return self.link(axis, self.axes(index)[place], text)

    def wall(self, axis: Axis, text: str) -> None:
        self.elements.wall(axis, self.reason(text))

    def wall_all(self, index: int, text: str, *, but: Sequence[int] = ()) -> None:
        """Keep all elements of an input, but for some axes."""
        if self.inputs[index] is None:
            return
        for place in range(self.rank(index)):
            if place not in but:
                self.wall_axis(index, place, text)

    def wall_axis(self, index: int, place: int, text: str) -> None:
        """Keep all elements along one axis of an input."""
        known = self.inputs[index]
        if isinstance(known, OpenSlot) and not known.is_bound(place):
            known.bind(place, None)
        else:
            self.wall(self.axes(index)[place], text)

    def choose(self, text: str, options: Sequence[Option]) -> None:
        """One of several factors can shrink; which one is settled later."""
        self.elements.choices.append(Choice(self.reason(text), tuple(options)))

    def read(self, kind: ReadKind, index: int, axis: int, other: int = -1, other_axis: int = -1) -> None:
        """The node sums, or takes statistics, over an axis of an input."""
        known = self.inputs[index]
        if isinstance(known, OpenSlot) or self.axes(index)[axis] is not None:
            self.reads.append(Read(self.name, self.node.op, kind, index, axis, other, other_axis))

    def give(self, *outputs: Axes | None) -> None:
        """The axes of the outputs, first to last."""
        self.outputs = list(outputs)

    def stop(self, text: str) -> None:
        """Decline: whatever the node reads must stay."""
        self.stopped = text
        self.outputs = []


Rule = Callable[[View], None]

#: Rules by operator of the ONNX domain.
RULES: dict[str, Rule] = {}


def rule(*operators: str) -> Callable[[Rule], Rule]:
    """Registers the rule of some operators.

    Raises:
        ValueError: one of them has a rule already.
    """

    def register(function: Rule) -> Rule:
        for operator in operators:
            if operator in RULES:
                raise ValueError(f"two channel rules for {operator}")
            RULES[operator] = function
        return function

    return register


def no_axes(rank: int) -> Axes:
    """All walls."""
    return (None,) * rank

"""Constants under analysis: every use that may be sliced on its own has axes of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import onnx_graphsurgeon as gs

from graphmorph.channels.elements import Axes, Axis, Elements


def node_key(node: gs.Node) -> str:
    """What a node is known by: its first output that has a name."""
    for tensor in node.outputs:
        if tensor.name:
            return str(tensor.name)
    return str(node.name)


@dataclass(frozen=True)
class Use:
    """`node.inputs[index]`; the node by its first output."""

    node: str
    index: int


@dataclass(frozen=True, eq=False)
class Slot:
    """A constant as some of its readers see it. Readers of one slot read one tensor after a rewrite, too.

    name: of the constant. shape: its sizes. axes: ids along each axis.
    """

    name: str
    shape: tuple[int, ...]
    uses: tuple[Use, ...]
    axes: Axes

    @property
    def parameters(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(eq=False)
class OpenSlot:
    """A slot during the walk. Its axes have no ids of their own before somebody looks at them: an axis that first meets
    another takes its ids."""

    name: str
    shape: tuple[int, ...]
    uses: Sequence[Use]
    elements: Elements
    _axes: dict[int, Axis] = field(default_factory=dict)

    def axes(self) -> Axes:
        """The ids of every axis; from now on they are its own."""
        for axis, size in enumerate(self.shape):
            if axis not in self._axes:
                self._axes[axis] = self.elements.fresh(size) if size > 1 else None
        return tuple(self._axes[axis] for axis in range(len(self.shape)))

    def is_bound(self, axis: int) -> bool:
        return axis in self._axes

    def bind(self, axis: int, ids: Axis) -> None:
        """Let an axis that nobody has looked at have these ids."""
        self._axes[axis] = ids if self.shape[axis] > 1 else None

    def closed(self) -> Slot:
        """What was found. An axis that no rule has looked at stays."""
        return Slot(self.name, self.shape, tuple(self.uses), tuple(self._axes.get(a) for a in range(len(self.shape))))

"""What a resizing function sees of one node: sizes before and after, and how to rewrite what the node says of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.elements import Axes
from graphmorph.channels.resizing.arrangement import Arrangement, Places
from graphmorph.channels.resizing.new_constants import Integers, NewConstants
from graphmorph.editor import Editor
from graphmorph.errors import RefusedError
from graphmorph.graph import constant_array


@dataclass
class Resized:
    """One node, some axes of which gain or lose elements."""

    node: gs.Node
    analysis: Analysis
    arrangement: Arrangement
    constants: NewConstants
    editor: Editor

    @property
    def name(self) -> str:
        return str(self.node.outputs[0].name)

    @property
    def opset(self) -> int:
        return self.analysis.facts.opset

    def attribute(self, name: str, default: Any = None) -> Any:
        return self.node.attrs.get(name, default)

    def has(self, index: int) -> bool:
        """Whether an optional input is given."""
        return index < len(self.node.inputs) and bool(self.node.inputs[index].name)

    def is_constant(self, index: int) -> bool:
        return self.has(index) and isinstance(self.node.inputs[index], gs.Constant)

    def array(self, index: int) -> NDArray[Any]:
        """A constant input as it is."""
        return constant_array(self.node.inputs[index])

    def integers(self, index: int) -> list[int] | None:
        """A constant input of integers; None where it is not given or not constant."""
        return [int(n) for n in self.array(index).reshape(-1)] if self.is_constant(index) else None

    def axes(self, index: int) -> Axes:
        """The axes of an input.

        Raises:
            RefusedError: they are not known.
        """
        known = self.analysis.operand(self.node, index)
        if known is None:
            raise self.refused(f"the sizes of {self.node.inputs[index].name} are not known")
        return known

    def output_axes(self, index: int = 0) -> Axes:
        return self.analysis.axes[self.node.outputs[index].name]

    def before(self, index: int) -> tuple[int, ...]:
        """The sizes of an input, in the run that was looked at."""
        return self._sizes(self.node.inputs[index])

    def after(self, index: int) -> tuple[int, ...]:
        """The sizes that an input will have in that run."""
        return self.arrangement.sizes(self.axes(index), self.before(index))

    def size_after(self, index: int, axis: int) -> int:
        """The size that one axis of an input will have in that run."""
        places = self.places(index, axis)
        return self.before(index)[axis] if places is None else int(places.size)

    def output_before(self, index: int = 0) -> tuple[int, ...]:
        return self._sizes(self.node.outputs[index])

    def output_after(self, index: int = 0) -> tuple[int, ...]:
        return self.arrangement.sizes(self.output_axes(index), self.output_before(index))

    def _sizes(self, tensor: gs.Tensor) -> tuple[int, ...]:
        if isinstance(tensor, gs.Constant):
            return tuple(int(n) for n in tensor.shape)
        known = self.analysis.sizes.get(tensor.name)
        if known is None:
            raise self.refused(f"the sizes of {tensor.name} are not known")
        return known

    def is_free(self, axis: int) -> bool:
        """Whether an axis of the output has other sizes in other runs."""
        return self.analysis.sizes.is_free(self.node.outputs[0].name, axis)

    def places(self, index: int, axis: int) -> Places | None:
        """What an axis of an input will consist of; None where it stays as it is."""
        return self.arrangement.of(self.axes(index)[axis])

    def output_places(self, axis: int, index: int = 0) -> Places | None:
        return self.arrangement.of(self.output_axes(index)[axis])

    def has_changed(self, axis: int) -> bool:
        """Whether an axis of the output gains or loses elements."""
        return self.output_places(axis) is not None

    def normal(self, axis: int, index: int = 0) -> int:
        """An axis of an input, counted from the front."""
        return axis + len(self.before(index)) if axis < 0 else axis

    def set_integers(self, index: int, values: NDArray[Any] | Sequence[int], role: str) -> None:
        """Let an input be other integers. role: what they are, for the name of a constant that was none before."""
        if self.is_constant(index):
            old = self.array(index)
            new = np.asarray(values, dtype=old.dtype)
            if new.shape != old.shape or (new != old).any():
                self.constants.want(self.node, index, Integers.of(new))
            return
        constant = self.editor.values(f"{self.name}_{role}", np.asarray(values, dtype=np.int64))
        self.editor.reread(self.node, index, constant)

    def set_attribute(self, name: str, value: Any) -> None:
        """Give an attribute another value; None takes it away."""
        if self.attribute(name) != value:
            self.editor.set_attribute(self.node, name, value)

    def refused(self, text: str) -> RefusedError:
        return RefusedError(f"{self.node.op} {self.name}: {text}")


Resizer = Callable[[Resized], None]

#: What rewrites the sizes that a node states, by operator of the ONNX domain. The others state none.
RESIZERS: dict[str, Resizer] = {}


def resizer(*operators: str) -> Callable[[Resizer], Resizer]:
    """Registers the resizing function of some operators.

    Raises:
        ValueError: one of them has one already.
    """

    def register(function: Resizer) -> Resizer:
        for operator in operators:
            if operator in RESIZERS:
                raise ValueError(f"two resizing functions for {operator}")
            RESIZERS[operator] = function
        return function

    return register

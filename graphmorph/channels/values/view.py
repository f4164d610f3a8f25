"""What a rule sees of one node: facts about its inputs, and how to say what follows for its outputs."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.channels.constants import node_key
from graphmorph.channels.sizes import Sizes
from graphmorph.channels.values.attributes import hashable
from graphmorph.channels.values.constant_facts import element_type, fact_of_constant
from graphmorph.channels.values.fact import Fact, Float64, Numbers, Outline
from graphmorph.channels.values.numbering import Numbering
from graphmorph.channels.values.rounding import is_floating
from graphmorph.channels.values.telling import coarse, collapse, limited, settle, tell_apart
from graphmorph.facts import Facts
from graphmorph.graph import constant_array


class View:
    """One node. A rule gives facts about outputs; of what it does not give, nothing is known.

    A rule that cannot say anything raises LookupError.
    """

    def __init__(self, node: gs.Node, facts: Facts, sizes: Sizes, numbering: Numbering, found: dict[str, Fact]) -> None:
        self.node, self.facts, self.numbering = node, facts, numbering
        self._sizes, self._found = sizes, found
        self._read: dict[int, np.ndarray] = {}
        self.outputs: dict[int, Fact] = {}

    @property
    def name(self) -> str:
        return node_key(self.node)

    @property
    def operation(self) -> tuple[Hashable, ...]:
        """The operator with its attributes: equal for nodes that compute the same function. Numbers of constants say
        nothing of their type, so it is there too."""
        return (
            self.node.op,
            self.outline(0).dtype,
            *((name, hashable(value)) for name, value in sorted(self.node.attrs.items())),
        )

    def attribute(self, name: str, default: Any = None) -> Any:
        return self.node.attrs.get(name, default)

    def count(self) -> int:
        """Inputs, up to the last one that is given."""
        return max((i + 1 for i, t in enumerate(self.node.inputs) if t.name), default=0)

    def has(self, index: int) -> bool:
        return index < len(self.node.inputs) and bool(self.node.inputs[index].name)

    def is_constant(self, index: int) -> bool:
        return self.has(index) and self._constant(self.node.inputs[index]) is not None

    def _constant(self, tensor: gs.Tensor) -> gs.Constant | None:
        """An initializer, or what a Constant node makes."""
        if isinstance(tensor, gs.Constant):
            return tensor
        maker = self.facts.producer.get(tensor.name)
        if maker is None or maker.op != "Constant" or not self.facts.is_standard(maker):
            return None
        value = maker.attrs.get("value")
        return value if isinstance(value, gs.Constant) else None

    def array(self, index: int) -> np.ndarray:
        """A constant input as it is.

        Raises:
            LookupError: it is not constant.
        """
        if index not in self._read:
            found = self._constant(self.node.inputs[index]) if self.has(index) else None
            if found is None:
                raise LookupError(f"input {index} of {self.name} is not constant")
            self._read[index] = constant_array(found)
        return self._read[index]

    def forget(self) -> None:
        """Let go of the constants that were read; they are read again when they are asked for."""
        self._read.clear()

    def value(self, index: int) -> Float64:
        """A constant input in float64.

        Raises:
            LookupError: it is not constant.
        """
        return np.asarray(self.array(index), np.float64)

    def integers(self, index: int) -> list[int]:
        """A constant input of integers.

        Raises:
            LookupError: it is not constant.
        """
        return [int(n) for n in self.array(index).reshape(-1)]

    def outline(self, index: int) -> Outline:
        """Sizes and element type of an input.

        Raises:
            LookupError: the sizes are not known.
        """
        return self._outline(self.node.inputs[index])

    def output_outline(self, output: int = 0) -> Outline:
        """Sizes of an output, with the element type of the first input.

        Raises:
            LookupError: the sizes are not known.
        """
        return self._outline(self.node.outputs[output]).retyped(self.outline(0).dtype)

    def _outline(self, tensor: gs.Tensor) -> Outline:
        constant = self._constant(tensor)
        if constant is not None:
            return Outline(tuple(int(n) for n in constant.shape), dtype=element_type(constant))
        if tensor.name in self._found:
            return self._found[tensor.name].outline
        sizes = self._sizes.get(tensor.name)
        if sizes is None:
            raise LookupError(f"the sizes of {tensor.name} are not known")
        free = frozenset(axis for axis in range(len(sizes)) if self._sizes.is_free(tensor.name, axis))
        return Outline(tuple(sizes), free)

    def producer(self, index: int) -> View | None:
        """The node that makes an input, where it is one of the standard's."""
        maker = self.facts.producer.get(self.node.inputs[index].name)
        if maker is None or not self.facts.is_standard(maker):
            return None
        return View(maker, self.facts, self._sizes, self.numbering, self._found)

    def fact(self, index: int) -> Fact:
        """What is known of an input; of a constant, everything.

        Raises:
            LookupError: not even its sizes are known.
        """
        tensor = self.node.inputs[index]
        if self._constant(tensor) is not None:
            return limited(self.numbering, self.of_constant(self.array(index)))
        if tensor.name not in self._found:
            raise LookupError(f"the sizes of {tensor.name} are not known")
        return self._found[tensor.name]

    def of_constant(self, array: np.ndarray) -> Fact:
        """All about a constant, element by element."""
        return fact_of_constant(self.numbering, array)

    def told_apart(self, fact: Fact, axis: int) -> Fact:
        return tell_apart(self.numbering, fact, axis)

    def collapsed(self, fact: Fact, *, but: tuple[int, ...] = ()) -> Fact:
        """Telling elements apart only along some axes."""
        return collapse(self.numbering, fact, [axis for axis in range(fact.rank) if axis not in but])

    def combine(self, tag: Hashable, *numbers: Numbers) -> Numbers:
        return self.numbering.combine(tag, *numbers)

    def give(
        self,
        number: Numbers,
        constant: Float64 | None = None,
        low: Float64 | None = None,
        high: Float64 | None = None,
        *,
        output: int = 0,
        outline: Outline | None = None,
    ) -> None:
        """What is known of an output; of its values only where it has a floating-point type."""
        outline = outline or self.output_outline(output)
        if not is_floating(outline.dtype):
            constant = low = high = None
        self.outputs[output] = settle(self.numbering, outline, number, constant, low, high)

    def give_rearranged(self, fact: Fact, output: int = 0) -> None:
        """An output that holds elements of an input, as they are and whatever their type."""
        outline = self.output_outline(output).retyped(fact.dtype)
        extents = fact.extents
        if len(extents) != outline.rank or any(e not in (1, n) for e, n in zip(extents, outline.sizes, strict=True)):
            raise LookupError(f"the sizes of {self.node.outputs[output].name} are not what was expected")
        self.outputs[output] = coarse(self.numbering, fact.reshaped(outline, extents))

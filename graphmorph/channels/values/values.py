"""A forward walk that finds what is known of the values of every tensor, whatever the input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.channels.sizes import Sizes
from graphmorph.channels.values import operators
from graphmorph.channels.values.constant_facts import element_type
from graphmorph.channels.values.fact import LIMIT, Fact, Float64, Numbers, Outline
from graphmorph.channels.values.numbering import Numbering
from graphmorph.channels.values.registry import RULES
from graphmorph.channels.values.telling import collapse, tell_apart, unknown
from graphmorph.channels.values.view import View
from graphmorph.facts import Facts, subgraphs


@dataclass(frozen=True, eq=False)
class Values:
    """What holds for every finite input that overflows nowhere. Arrays broadcast to the tensor's sizes: an axis of size
    1 stands for all elements along it. None where the sizes of the tensor are not known, and for initializers.

    A constant holds up to rounding, a zero exactly; so do equal numbers.
    """

    facts: Mapping[str, Fact]
    numbering: Numbering

    def constant(self, name: str) -> Float64 | None:
        """Values that do not depend on the input; NaN elsewhere."""
        found = self.facts.get(name)
        return None if found is None else found.constant

    def low(self, name: str) -> Float64 | None:
        """No element is below; -inf where nothing is known."""
        found = self.facts.get(name)
        return None if found is None else found.low

    def high(self, name: str) -> Float64 | None:
        """No element is above; inf where nothing is known."""
        found = self.facts.get(name)
        return None if found is None else found.high

    def number(self, name: str) -> Numbers | None:
        """Value numbers: places with the same number hold the same function of the input, at each of the positions
        along the axes of size 1 (in row-major order, where two tensors are compared)."""
        found = self.facts.get(name)
        return None if found is None else found.number

    def along(self, name: str, axis: int) -> Fact | None:
        """What is known of the elements of one axis, whatever the place along the others: arrays of one axis.

        None where the sizes are not known, or differ between runs. The numbers are to be compared with each other only.
        """
        found = self.facts.get(name)
        if found is None or axis in found.free:
            return None
        only = collapse(self.numbering, found, [a for a in range(found.rank) if a != axis])
        size = found.sizes[axis]
        if size > LIMIT:
            return None
        told = tell_apart(self.numbering, only, axis)
        return told.reshaped(Outline((size,), frozenset(), found.dtype), (size,))


def find_values(facts: Facts, sizes: Sizes) -> Values:
    """Walk the graph once; every operator without a rule gives values of which nothing is known.

    sizes: of every tensor in one run, and the axes that differ between runs.
    """
    operators.load()
    numbering = Numbering()
    found: dict[str, Fact] = {}
    for tensor in facts.graph.inputs:
        _give_unknown(found, facts, sizes, numbering, tensor)
    for node in facts.order:
        view = View(node, facts, sizes, numbering, found)
        if facts.is_standard(node) and node.op in RULES and not any(True for _ in subgraphs(node)):
            with np.errstate(all="ignore"):
                try:
                    RULES[node.op](view)
                except (LookupError, ValueError):
                    view.outputs.clear()
            view.forget()
        for index, tensor in enumerate(node.outputs):
            if tensor.name and index in view.outputs:
                found[tensor.name] = view.outputs[index]
            elif tensor.name:
                _give_unknown(found, facts, sizes, numbering, tensor)
    return Values(found, numbering)


def _give_unknown(found: dict[str, Fact], facts: Facts, sizes: Sizes, numbering: Numbering, tensor: gs.Tensor) -> None:
    known = sizes.get(tensor.name)
    if known is None:
        return
    free = frozenset(axis for axis in range(len(known)) if sizes.is_free(tensor.name, axis))
    found[tensor.name] = unknown(numbering, Outline(tuple(known), free, element_type(tensor) or facts.dtype(tensor)))

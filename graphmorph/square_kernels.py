"""Which convolutions of a graph have square kernels with a centre; their weights are read one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.facts import Facts
from graphmorph.graph import constant_array
from graphmorph.rewrite import Refusal
from graphmorph.schema import violation


@dataclass(frozen=True, eq=False)
class SquareKernel:
    """The weight of a convolution layer, of shape (out, in/groups, k, k) with k odd and above 1."""

    layer: str
    weight: str
    shape: tuple[int, ...]
    #: Reads the values, afresh at each call.
    load: Callable[[], NDArray[Any]]

    @property
    def size(self) -> int:
        """k."""
        return self.shape[-1]


def square_kernels(facts: Facts) -> Iterator[SquareKernel | Refusal]:
    """Each Conv's kernel, or why it is none of these. One that several nodes read is counted at the first."""
    counted: dict[str, str] = {}
    for node in facts.order:
        if node.op != "Conv" or not facts.is_standard(node):
            continue
        layer = node.name or next((t.name for t in node.outputs), "")
        reason = violation(node, facts.opset) or _against(node.inputs[1], counted, facts)
        if reason is None:
            weight = node.inputs[1]
            counted[weight.name] = layer
            yield SquareKernel(layer, weight.name, tuple(weight.shape), partial(constant_array, weight))
        else:
            yield Refusal(layer, "Conv", reason)


def why_not(shape: Sequence[int], counted_at: str | None) -> str | None:
    """What speaks against a kernel of this shape, which may have been counted before."""
    if counted_at is not None:
        return f"its kernel is that of {counted_at}, where it is counted"
    sizes = tuple(shape[2:])
    if len(sizes) != 2:
        return f"its kernel has {len(sizes)} spatial dimensions instead of 2"
    named = f"its {sizes[0]} x {sizes[1]} kernel"
    if sizes[0] != sizes[1]:
        return f"{named} is not square"
    if sizes[0] == 1:
        return f"{named} has one position"
    if sizes[0] % 2 == 0:
        return f"{named} has no centre"
    return None


def _against(weight: gs.Tensor, counted: Mapping[str, str], facts: Facts) -> str | None:
    if not isinstance(weight, gs.Constant):
        return f"its weight is no constant: {facts.variable(weight)}"
    return why_not(weight.shape, counted.get(weight.name))

"""What an fx node stands for in the graph: a tree of tensors and of numbers that were computed from shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx_graphsurgeon as gs


class DerivedInt(int):
    """An int that was computed while tracing. `doubled` is what it becomes with twice the batch, None if not known."""

    doubled: int | None


class DerivedFloat(float):
    """A float that was computed from shapes while tracing."""


@dataclass(frozen=True)
class Number:
    """A value without tensors; its fx node computes it again in the new graph. `constant`: it is what it is."""

    value: Any
    doubled: Any = None


def derived(number: Number) -> Any:
    """The number as rules see it: marked where it came from shapes."""
    if type(number.value) is int:
        marked = DerivedInt(number.value)
        marked.doubled = number.doubled if isinstance(number.doubled, int) else None
        return marked
    if type(number.value) is float:
        return DerivedFloat(number.value)
    return number.value


def is_derived(value: object) -> bool:
    """Whether a number was computed from shapes, rather than written in the model."""
    return isinstance(value, DerivedInt | DerivedFloat)


def is_leaf(value: object) -> bool:
    """Where trees of values end: graphsurgeon's tensors, and numbers."""
    return isinstance(value, gs.Tensor | Number)

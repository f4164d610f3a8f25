"""What an fx node stands for in the graph: a tree of tensors and of numbers that were computed from shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx_graphsurgeon as gs


class DerivedInt(int):
    """An int that was computed while tracing. `doubled` is what it becomes with twice the batch, None if not known."""

    doubled: int | None


class DerivedFloat(float):
    """A float that was computed from shapes while tracing; `doubled` as for an int."""

    doubled: float | None


@dataclass(frozen=True)
class Number:
    """A value without tensors, which its fx node computes again in the new graph; `doubled` with twice the batch."""

    value: Any
    doubled: Any = None


def derived(number: Number) -> Any:
    """The number as rules see it: marked where it came from shapes."""
    return _marked(number.value, number.doubled)


def _marked(value: Any, doubled: Any) -> Any:
    if type(value) is int:
        whole = DerivedInt(value)
        whole.doubled = doubled if isinstance(doubled, int) else None
        return whole
    if type(value) is float:
        real = DerivedFloat(value)
        real.doubled = doubled if isinstance(doubled, float) else None
        return real
    if isinstance(value, tuple | list):
        twins = doubled if isinstance(doubled, tuple | list) and len(doubled) == len(value) else [None] * len(value)
        return tuple(_marked(one, twin) for one, twin in zip(value, twins, strict=True))
    return value


def is_derived(value: object) -> bool:
    """Whether a number was computed from shapes, rather than written in the model."""
    return isinstance(value, DerivedInt | DerivedFloat)


def is_leaf(value: object) -> bool:
    """Where trees of values end: graphsurgeon's tensors, and numbers."""
    return isinstance(value, gs.Tensor | Number)

"""What near misses are made of: the registry of their makers, and a few inputs and operators that they
share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.regions.builder import DOUBLE, Builder, Tensor

Maker = Callable[[Builder], "Parts"]


@dataclass(frozen=True)
class Parts:
    """What a maker leaves to be finished: output tensors, guarded tensors, and fields of the model."""

    outputs: tuple[str, ...]
    guarded: tuple[str, ...] = ()
    evaluable: bool = True
    model_fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    make: Maker
    opset: int = 17
    dtype: int = DOUBLE


MAKERS: dict[str, Entry] = {}


def broken(condition: str, *, opset: int = 17, dtype: int = DOUBLE) -> Callable[[Maker], Maker]:
    """Register a maker under the name of the condition that it breaks. A duplicate is refused."""

    def register(make: Maker) -> Maker:
        if condition in MAKERS:
            raise ValueError(f"'{condition}' is there already")
        MAKERS[condition] = Entry(make, opset, dtype)
        return make

    return register


def image(b: Builder, channels: int = 4, size: tuple[int, int] = (7, 6), batch: int = 1, **symbols: Any) -> Tensor:
    """A graph input of one static size."""
    dims = [
        symbols.get("batch", batch),
        channels,
        symbols.get("height", size[0]),
        symbols.get("width", size[1]),
    ]
    return b.source(channels, [size], [batch], dims)


def images(b: Builder, channels: int = 4, sizes: tuple[tuple[int, int], ...] = ((7, 6), (8, 5), (9, 9))) -> Tensor:
    """A graph input of dynamic height and width."""
    return b.source(channels, list(sizes), [1] * len(sizes), [1, channels, f"H{len(b.inputs)}", f"W{len(b.inputs)}"])


def square(b: Builder, x: Tensor, out: int | None = None, **options: Any) -> Tensor:
    """A 3x3 convolution that keeps the size."""
    return b.conv(x, out or x.channels, [3, 3], **{"pads": [1, 1, 1, 1], **options})


def with_constant(b: Builder, op: str, x: Tensor, shape: tuple[int, ...], *, first: bool = False) -> Tensor:
    """Elementwise with a new constant of any shape; sizes are those of `x`, so only for shapes that keep
    them.
    """
    constant = b.constant(b.choices.numbers.standard_normal(shape) + 2.0)
    return Tensor(b.node(op, [constant, x.name] if first else [x.name, constant]), x.channels, x.sizes)


def finish(b: Builder, x: Tensor, *guarded: Tensor, outputs: tuple[str, ...] = (), **fields: Any) -> Parts:
    """`x` through one more BatchNormalization, so that there is always something to be tempted by."""
    last = b.batch_normalization(x)
    return Parts((last.name, *outputs), tuple(t.name for t in guarded), **fields)

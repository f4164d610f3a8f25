"""Operators that treat every position alike: BatchNormalization, and arithmetic with constants of every
legal shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.regions.builder import Builder, Tensor


def pointwise_chain(b: Builder, x: Tensor, most: int) -> Tensor:
    """`x` through up to `most` random operators."""
    for _ in range(b.choices.integer(0, most)):
        kind = b.choices.pick(["bn", "bn", "bn", "arithmetic", "arithmetic", "Neg", "Identity", "Dropout"])
        if kind == "bn":
            x = _normalization(b, x)
        elif kind == "arithmetic":
            x = arithmetic(b, x, b.choices.pick(["Mul", "Add", "Sub", "Div"]))
        else:
            x = b.unary(kind, x)
    return x


def _normalization(b: Builder, x: Tensor) -> Tensor:
    if b.opset < 14:
        return b.batch_normalization(x, **({"spatial": 1} if b.opset < 9 else {}))
    return b.batch_normalization(x, **({"training_mode": 0} if b.choices.chance(0.3) else {}))


def arithmetic(b: Builder, x: Tensor, op: str, shape: tuple[int, ...] | None = None) -> Tensor:
    """`x` op constant, or constant op `x` where that is affine; the constant has one value, or one a
    channel.
    """
    if shape is None:
        ones = [1] * x.spatial
        per_channel = (x.channels, *ones)
        shape = b.choices.pick([per_channel, (1, *per_channel), (), (1,), (1, 1, *ones)])
    values: Any = b.choices.numbers.standard_normal(shape)
    if op == "Div":
        values = np.sign(values) * (np.abs(values) + 0.5)
    constant = b.constant(values)
    swapped = op != "Div" and b.choices.chance(0.4)
    b.features |= {"constant first"} if swapped else set()
    return Tensor(b.node(op, [constant, x.name] if swapped else [x.name, constant]), x.channels, x.sizes)

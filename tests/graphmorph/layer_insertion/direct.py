"""What a new layer and the next one read and give, on arrays: loops over taps, in float64."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from graphmorph.layer_insertion.new_layer import FirstHalf


def patches(
    x: np.ndarray,
    kernel: tuple[int, ...],
    pads: tuple[int, ...] = (),
    strides: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
) -> np.ndarray:
    """(N, C, *spatial) to (N, *positions, C, *kernel). pads: begins, then ends."""
    axes = len(kernel)
    pads, strides, dilations = pads or (0,) * 2 * axes, strides or (1,) * axes, dilations or (1,) * axes
    padded = np.pad(x, [(0, 0), (0, 0), *zip(pads[:axes], pads[axes:], strict=True)])
    sizes = [
        (size - (taps - 1) * dilation - 1) // stride + 1
        for size, taps, dilation, stride in zip(padded.shape[2:], kernel, dilations, strides, strict=True)
    ]
    made = np.empty((len(x), *sizes, x.shape[1], *kernel))
    for position in product(*map(range, sizes)):
        for tap in product(*map(range, kernel)):
            at = [p * s + t * d for p, s, t, d in zip(position, strides, tap, dilations, strict=True)]
            target: tuple[Any, ...] = (slice(None), *position, slice(None), *tap)
            source: tuple[Any, ...] = (slice(None), slice(None), *at)
            made[target] = padded[source]
    return made


def columns(rows: np.ndarray, axes: int) -> np.ndarray:
    """The last `axes` axes as columns, the others as rows."""
    return rows.reshape(-1, math.prod(rows.shape[rows.ndim - axes :]))


def activated(first: FirstHalf, x: np.ndarray) -> np.ndarray:
    """h(x)."""
    gate = 1 / (1 + np.exp(-x))
    normal = 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    made: dict[str, np.ndarray] = {
        "relu": np.maximum(x, 0),
        "leaky-relu": np.where(x > 0, x, first.slope * x),
        "tanh": np.tanh(x),
        "sigmoid": gate,
        "silu": x * gate,
        "gelu": x * normal,
    }
    return made[first.activation]


def convolved(first: FirstHalf, x: np.ndarray) -> np.ndarray:
    """The new layer on (N, C, *spatial), positions kept; an even window reaches further at the end."""
    kernel = first.weight.shape[2:]
    pads = (*((size - 1) // 2 for size in kernel), *(size // 2 for size in kernel))
    read = patches(x, kernel, pads)
    made = np.tensordot(read, first.weight, axes=_axes(read, first.weight))
    return activated(first, np.moveaxis(made + first.bias, -1, 1))


def _axes(read: np.ndarray, weight: np.ndarray) -> tuple[list[int], list[int]]:
    count = weight.ndim - 1
    return list(range(read.ndim - count, read.ndim)), list(range(1, weight.ndim))


def multiplied(first: FirstHalf, x: np.ndarray) -> np.ndarray:
    """The new layer on (..., C)."""
    return activated(first, x @ first.weight.T + first.bias)

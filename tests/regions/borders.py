"""Padding with the bias, as exporters write Diverse Branch Block: a zero Pad, then ScatterND over its border."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.regions.builder import NUMPY_TYPES, Builder, Tensor


def bordered(b: Builder, x: Tensor) -> list[Tensor]:
    """A point-wise convolution with BatchNormalization, padded by its own bias, and a window over that; sometimes
    beside a padded convolution of the same input. Nothing where sizes are dynamic or ScatterND is not there yet.
    """
    if b.opset < 11 or {"dynamic size", "dynamic batch"} & b.features or min(min(s) for s in x.sizes) < 1:
        return []
    b.features.add("border of constants")
    amounts = [(b.choices.integer(0, 2), b.choices.integer(0, 2)) for _ in range(x.spatial)]
    inner, bias = biased(b, x, b.choices.integer(1, 4))
    full = filled(b, inner, amounts, bias, at_once=b.choices.chance(0.3))
    kernel = [min(b.choices.integer(1, 3), n) for n in full.sizes[0]]
    strides = [b.choices.integer(1, 2) for _ in kernel]
    total = b.conv(full, 3, kernel, strides=strides, bias=b.choices.chance(0.3))
    if b.choices.chance(0.5):
        pads = [side[place] for place in (0, 1) for side in amounts]
        total = b.binary("Add", total, b.conv(x, 3, kernel, strides=strides, pads=pads, bias=True))
    return [total]


def biased(b: Builder, x: Tensor, out: int) -> tuple[Tensor, np.ndarray]:
    """1x1 convolution and BatchNormalization, and the bias (out,) that the two come down to."""
    y = b.conv(x, out, [1] * x.spatial)
    numbers = b.choices.numbers
    gamma, beta, mean, variance = (stored(b, numbers.standard_normal(out)) for _ in range(4))
    variance = stored(b, np.abs(variance) + 0.3)
    names = [b.constant(values) for values in (gamma, beta, mean, variance)]
    name = b.node("BatchNormalization", [y.name, *names], epsilon=1e-3)
    deviation = np.sqrt(variance + float(np.float32(1e-3)))
    return Tensor(name, out, y.sizes), beta - mean * gamma / deviation


def stored(b: Builder, values: np.ndarray) -> np.ndarray:
    """What is left of float64 numbers in the model's type."""
    return np.asarray(values.astype(NUMPY_TYPES[b.dtype]).astype(np.float64))


def filled(
    b: Builder,
    x: Tensor,
    amounts: Sequence[tuple[int, int]],
    border: np.ndarray,
    *,
    at_once: bool = False,
    skip: int | None = None,
) -> Tensor:
    """Zero Pad by `amounts`, then `border` (channels,) over it: element by element `at_once`, or axis by axis,
    each brought to the front; axis `skip` is left out.
    """
    begins, ends = ([pair[side] for pair in amounts] for side in (0, 1))
    padded = b.pad(x, begins, ends)
    for axis, (begin, end) in enumerate(amounts):
        if axis != skip and begin + end and not at_once:
            padded = _rows(b, padded, axis + 2, begin, end, border)
    return _elements(b, padded, begins, ends, border) if at_once else padded


def _shape(b: Builder, x: Tensor) -> list[int]:
    return [b.feeds[0]["x0"][0], x.channels, *x.sizes[0]]


def _scatter(b: Builder, data: str, indices: np.ndarray, updates: np.ndarray) -> str:
    return b.node("ScatterND", [data, b.integers(indices.tolist()), b.constant(updates, "border")])


def _rows(b: Builder, x: Tensor, axis: int, begin: int, end: int, border: np.ndarray) -> Tensor:
    shape = _shape(b, x)
    order = [axis, *(other for other in range(len(shape)) if other != axis)]
    rows = [*range(begin), *range(shape[axis] - end, shape[axis])]
    if b.choices.chance(0.5):
        rows = [row - shape[axis] if row >= begin else row for row in rows]
    along = border.reshape(-1, *[1] * (len(shape) - 3))
    updates = np.broadcast_to(along, [len(rows), *(shape[other] for other in order[1:])])
    front = b.node("Transpose", [x.name], perm=order)
    written = _scatter(b, front, np.array(rows).reshape(-1, 1), updates)
    back: Any = [order.index(place) for place in range(len(shape))]
    return Tensor(b.node("Transpose", [written], perm=back), x.channels, x.sizes)


def _elements(b: Builder, x: Tensor, begins: list[int], ends: list[int], border: np.ndarray) -> Tensor:
    shape = _shape(b, x)
    mask = np.ones(shape, dtype=bool)
    inside = tuple(slice(p, n - e) for p, n, e in zip(begins, shape[2:], ends, strict=True))
    mask[(slice(None), slice(None), *inside)] = False
    places = np.argwhere(mask)
    if not len(places):
        return x
    return Tensor(_scatter(b, x.name, places, border[places[:, 1]]), x.channels, x.sizes)

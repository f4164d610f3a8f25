"""Kernels by their definition, one output position at a time, and hypothesis strategies that draw them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from graphmorph.affine.kernel import Kernel

Array = NDArray[np.float64]
CHANNELS = (1, 2, 3, 4, 6)


def spread(weights: Array, groups: int, in_channels: int) -> Array:
    """Grouped weights (out, in/groups, taps) written out for all input channels: (out, in, taps)."""
    rows, columns = weights.shape[0] // groups, in_channels // groups
    full = np.zeros((weights.shape[0], in_channels, weights.shape[2]))
    for o in range(weights.shape[0]):
        for i in range(columns):
            full[o, (o // rows) * columns + i] = weights[o, i]
    return full


def value_at(kernel: Kernel, x: Array, position: Sequence[int], outside: Array | float = 0.0) -> Array:
    """y[:, position] for x: (in, *size); beyond its bounds x is `outside`, a number or (in,)."""
    full = spread(kernel.weights(), kernel.groups, kernel.in_channels)
    total = np.zeros(kernel.out_channels)
    beyond = np.broadcast_to(outside, (kernel.in_channels,))
    for tap, offset in enumerate(kernel.offsets):
        read = tuple(s * p + o for s, p, o in zip(kernel.stride, position, offset, strict=True))
        inside = all(0 <= q < n for q, n in zip(read, x.shape[1:], strict=True))
        columns: Any = (slice(None), *read)
        total += full[:, :, tap] @ (x[columns] if inside else beyond)
    return total


def values(kernel: Kernel, x: Array, outside: Array | float = 0.0, at: Iterable[Sequence[int]] | None = None) -> Array:
    """The output (out, *size), or (out, positions) at some positions, which may lie anywhere."""
    size = [(n + c) // s + 1 for n, c, s in zip(x.shape[1:], kernel.size_term, kernel.stride, strict=True)]
    places = list(product(*map(range, size))) if at is None else list(at)
    rows = [value_at(kernel, x, place, outside) for place in places]
    stacked = np.stack(rows, axis=1) if rows else np.zeros((kernel.out_channels, 0))
    return stacked.reshape(kernel.out_channels, *size) if at is None else stacked


def gaussian(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def assert_close(found: Array, expected: Array, atol: float = 1e-11) -> None:
    """Equal shapes, and elements within `atol`; the numbers of these tests are of the order of one."""
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=atol)


def divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


@st.composite
def kernels(
    draw: Callable[[Any], Any],
    *,
    rank: int = 1,
    in_channels: int | None = None,
    out_channels: int | None = None,
    stride: tuple[int, ...] | None = None,
    size_term: tuple[int, ...] | None = None,
) -> Kernel:
    """Any kernel: groups, offsets in any order with holes, strides, size terms."""
    ins = draw(st.sampled_from(CHANNELS)) if in_channels is None else in_channels
    outs = draw(st.sampled_from(CHANNELS)) if out_channels is None else out_channels
    groups = draw(st.sampled_from([g for g in divisors(ins) if outs % g == 0]))
    offset = st.tuples(*[st.integers(-3, 3)] * rank)
    offsets = tuple(draw(st.lists(offset, min_size=1, max_size=5, unique=True)))
    weights = gaussian(outs, ins // groups, len(offsets), seed=draw(st.integers(0, 999)))
    stride = stride or draw(st.tuples(*[st.integers(1, 3)] * rank))
    size_term = size_term or draw(st.tuples(*[st.integers(-3, 3)] * rank))
    return Kernel(outs, ins, groups, offsets, stride, size_term, lambda: weights)

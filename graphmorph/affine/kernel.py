"""Kernels as maps of taps: the arithmetic that every affine operator of a network reduces to.

A kernel reads a source x, zero outside its bounds, with n positions along each of `rank` spatial dimensions:

    y[o, p] = sum over taps t, channels i of  K[o, i, t] * x[i, stride * p + offset_t]
    size(y) = floor((n + size_term) / stride) + 1                      along each dimension

Offsets instead of windows make dilation, crops, shifts and asymmetric kernels plain data, and `size_term` is closed
under composition, so sizes stay comparable without knowing n. Weights are (out, in/groups, taps) in float64 and are
computed on demand: structure is free to explore, numbers are paid for once, when a kernel is emitted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import gcd, prod

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Offset = tuple[int, ...]

#: Compositions with more taps than this are not formed (a global pooling before a 1x1 has one tap a pixel).
MAX_TAPS = 4096


@dataclass(frozen=True, eq=False)
class Kernel:
    """Structure of a kernel, and a thunk for its weights of shape (out, in/groups, taps)."""

    out_channels: int
    in_channels: int
    groups: int
    offsets: tuple[Offset, ...]
    stride: Offset
    size_term: Offset
    weights: Callable[[], Float64]
    is_identity: bool = False

    @property
    def rank(self) -> int:
        return len(self.stride)

    @property
    def taps(self) -> int:
        return len(self.offsets)

    @property
    def is_diagonal(self) -> bool:
        """Whether each channel reads only itself, where it stands: a scale."""
        return (
            self.groups == self.in_channels == self.out_channels
            and self.offsets == ((0,) * self.rank,)
            and all(s == 1 for s in self.stride)
            and all(c == -1 for c in self.size_term)
        )

    def lowest(self, dim: int) -> int:
        return min(offset[dim] for offset in self.offsets)

    def highest(self, dim: int) -> int:
        return max(offset[dim] for offset in self.offsets)

    def size(self, source_size: Sequence[int | None]) -> tuple[int | None, ...]:
        """Output size along each dimension; None where the source's is unknown."""
        return tuple(
            None if n is None else (n + c) // s + 1
            for n, c, s in zip(source_size, self.size_term, self.stride, strict=True)
        )


def identity(channels: int, rank: int) -> Kernel:
    """The source itself."""
    return Kernel(
        channels,
        channels,
        channels,
        ((0,) * rank,),
        (1,) * rank,
        (-1,) * rank,
        lambda: np.ones((channels, 1, 1)),
        is_identity=True,
    )


def window(
    out_channels: int,
    in_channels: int,
    groups: int,
    shape: Sequence[int],
    weights: Callable[[], Float64],
    *,
    stride: Sequence[int],
    dilation: Sequence[int],
    pads_begin: Sequence[int],
    pads_end: Sequence[int],
) -> Kernel:
    """A convolution window (ONNX Conv). `weights()` gives (out, in/groups, *shape)."""
    offsets = tuple(
        tuple(d * k - pad for d, k, pad in zip(dilation, index, pads_begin, strict=True))
        for index in product(*(range(size) for size in shape))
    )
    size_term = tuple(
        begin + end - d * (k - 1) - 1 for begin, end, d, k in zip(pads_begin, pads_end, dilation, shape, strict=True)
    )
    taps = len(offsets)
    flat = lambda: weights().reshape(out_channels, in_channels // groups, taps)  # noqa: E731
    return Kernel(out_channels, in_channels, groups, offsets, tuple(stride), size_term, flat)


def shift(channels: int, begin: Sequence[int], end: Sequence[int], step: Sequence[int] | None = None) -> Kernel:
    """Pad (positive `begin`, `end`) or crop (negative ones) each dimension, then keep every `step`-th position."""
    rank = len(begin)
    return Kernel(
        channels,
        channels,
        channels,
        (tuple(-b for b in begin),),
        tuple(step) if step is not None else (1,) * rank,
        tuple(b + e - 1 for b, e in zip(begin, end, strict=True)),
        lambda: np.ones((channels, 1, 1)),
    )


def scale_outputs(kernel: Kernel, scale: Float64) -> Kernel:
    """Multiply every output channel. `scale`: (out,)."""
    weights = kernel.weights
    return Kernel(
        kernel.out_channels,
        kernel.in_channels,
        kernel.groups,
        kernel.offsets,
        kernel.stride,
        kernel.size_term,
        lambda: weights() * scale[:, None, None],
    )


def regroup(weights: Float64, groups: int, wanted: int) -> Float64:
    """Write grouped weights (out, in/groups, taps) with fewer groups: (out, in/wanted, taps), zeros between blocks.

    `wanted` must divide `groups`.
    """
    if groups == wanted:
        return weights
    out_channels, per_group, taps = weights.shape
    blocks = groups // wanted
    rows = out_channels // groups
    dense = np.zeros((wanted, blocks, rows, blocks, per_group, taps))
    blocked = weights.reshape(wanted, blocks, rows, per_group, taps)
    for block in range(blocks):
        dense[:, block, :, block] = blocked[:, block]
    return dense.reshape(out_channels, blocks * per_group, taps)


def tap_sum(weights: Float64, groups: int, values: Float64) -> Float64:
    """What a kernel gives on a constant input far from every border.

    `weights`: (out, in/groups, taps), `values`: (in,) -> (out,)
    """
    out_channels, per_group, _ = weights.shape
    blocks = weights.sum(axis=2).reshape(groups, out_channels // groups, per_group)
    sums: Float64 = np.matmul(blocks, values.reshape(groups, per_group, 1))
    return sums.reshape(out_channels)


def compose(outer: Kernel, inner: Kernel) -> Kernel:
    """`outer` applied to the output of `inner`, borders aside (`exactness` says when borders agree).

    Offsets are s1*t2 + t1, strides multiply, size terms are c1 + s1*(1 + c2).
    """
    if inner.is_identity:
        return outer
    pairs = [
        tuple(s * outer_t + inner_t for s, outer_t, inner_t in zip(inner.stride, t2, t1, strict=True))
        for t2 in outer.offsets
        for t1 in inner.offsets
    ]
    offsets = tuple(sorted(set(pairs)))
    places = [offsets.index(pair) for pair in pairs] if len(offsets) < 64 else _places(pairs, offsets)
    groups = _product_groups(outer, inner)

    def weights() -> Float64:
        return _gather(_product(outer, inner, groups), places, len(offsets))

    return Kernel(
        outer.out_channels,
        inner.in_channels,
        groups,
        offsets,
        tuple(s1 * s2 for s1, s2 in zip(inner.stride, outer.stride, strict=True)),
        tuple(c1 + s1 * (1 + c2) for c1, s1, c2 in zip(inner.size_term, inner.stride, outer.size_term, strict=True)),
        weights,
    )


def _places(pairs: list[Offset], offsets: tuple[Offset, ...]) -> list[int]:
    index = {offset: place for place, offset in enumerate(offsets)}
    return [index[pair] for pair in pairs]


def _gather(weights: Float64, places: list[int], taps: int) -> Float64:
    """Add the taps of (out, in/groups, pairs) that fall on the same offset."""
    if places == list(range(taps)):
        return weights
    gathered = np.zeros((*weights.shape[:2], taps))
    for pair, place in enumerate(places):
        gathered[:, :, place] += weights[:, :, pair]
    return gathered


def _product_groups(outer: Kernel, inner: Kernel) -> int:
    if inner.groups == inner.in_channels == inner.out_channels:
        return outer.groups
    if outer.groups == outer.in_channels:
        return inner.groups
    return gcd(outer.groups, inner.groups)


def _product(outer: Kernel, inner: Kernel, groups: int) -> Float64:
    """Channel products for every pair of taps: (out, in/groups, taps2*taps1)."""
    second, first = outer.weights(), inner.weights()
    rows = outer.out_channels
    if inner.groups == inner.in_channels == inner.out_channels:
        middle = _middle_channels(outer)
        products: Float64 = second[:, :, :, None] * first[middle, 0][:, :, None, :]
        return products.reshape(rows, second.shape[1], -1)
    if outer.groups == outer.in_channels:
        middle = _middle_channels(outer)[:, 0]
        products = second[:, 0][:, None, :, None] * first[middle][:, :, None, :]
        return products.reshape(rows, first.shape[1], -1)
    if outer.groups == inner.groups == inner.taps == 1:
        products = np.matmul(first[:, :, 0].T, second)  # no transposed copies of what is the largest array here
        return products
    second = regroup(second, outer.groups, groups)
    first = regroup(first, inner.groups, groups)
    mid, columns = second.shape[1], first.shape[1]
    left = second.reshape(groups, rows // groups, mid, -1).transpose(0, 1, 3, 2)
    right = first.reshape(groups, mid, -1)
    products = np.matmul(left.reshape(groups, -1, mid), right)
    products = products.reshape(groups, rows // groups, outer.taps, columns, inner.taps)
    return products.transpose(0, 1, 3, 2, 4).reshape(rows, columns, -1)


def _middle_channels(outer: Kernel) -> NDArray[np.int64]:
    """Which input channel each weight of a grouped kernel reads: (out, in/groups)."""
    per_group = outer.in_channels // outer.groups
    group = np.arange(outer.out_channels) // (outer.out_channels // outer.groups)
    return group[:, None] * per_group + np.arange(per_group)[None, :]


@dataclass(frozen=True)
class Window:
    """A regular window that holds given offsets and needs no negative padding."""

    shape: tuple[int, ...]
    begin: tuple[int, ...]
    dilation: tuple[int, ...]
    pads_begin: tuple[int, ...]
    pads_end: tuple[int, ...]

    @property
    def taps(self) -> int:
        return prod(self.shape)


def enclosing_window(offsets: Sequence[Offset], size_term: Offset) -> Window:
    """Where the offsets allow no non-negative padding the window is widened with zero taps."""
    shape, begins, dilations, pads_begin, pads_end = [], [], [], [], []
    for dim, term in enumerate(size_term):
        values = {offset[dim] for offset in offsets}
        begin, end = min(*values, 0), max(*values, -term - 1)
        step = gcd(*(value - begin for value in (*values, end))) or 1
        shape.append((end - begin) // step + 1)
        begins.append(begin)
        dilations.append(step)
        pads_begin.append(-begin)
        pads_end.append(term + 1 + end)
    return Window(tuple(shape), tuple(begins), tuple(dilations), tuple(pads_begin), tuple(pads_end))


def multiply_adds(kernels: Sequence[Kernel]) -> int:
    """Multiply-adds per output position of the one convolution that would hold all `kernels`."""
    first = kernels[0]
    groups = gcd(*(kernel.groups for kernel in kernels))
    offsets = frozenset(offset for kernel in kernels for offset in kernel.offsets)
    return first.out_channels * (first.in_channels // groups) * _taps_around(offsets, first.size_term)


@lru_cache(maxsize=1024)
def _taps_around(offsets: frozenset[Offset], size_term: Offset) -> int:
    """Taps of the enclosing window; a network repeats a few windows thousands of times."""
    return enclosing_window(tuple(offsets), size_term).taps


def merged_weights(kernels: Sequence[Kernel], into: Window) -> tuple[Float64, int]:
    """Sum kernels on one source into one window: (out, in/groups, *window.shape) and its groups."""
    first = kernels[0]
    groups = gcd(*(kernel.groups for kernel in kernels))
    total = np.zeros((first.out_channels, first.in_channels // groups, into.taps))
    for kernel in kernels:
        weights = regroup(kernel.weights(), kernel.groups, groups)
        places = [_place(offset, into) for offset in kernel.offsets]
        if places == list(range(into.taps)):
            total += weights
        else:
            total[:, :, places] += weights
    return total.reshape(*total.shape[:2], *into.shape), groups


def _place(offset: Offset, into: Window) -> int:
    place = 0
    for value, begin, step, size in zip(offset, into.begin, into.dilation, into.shape, strict=True):
        place = place * size + (value - begin) // step
    return place

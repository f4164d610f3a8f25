"""Float64 arithmetic of the sliding-window operators, one matrix product a tap, so that BLAS does the work.

Pure array functions; they know the ONNX operator specifications and nothing of graphmorph's affine algebra,
which they are there to check. Arrays are (batch, channels, *sizes) with any number of spatial dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
_LARGE_KERNEL = 5


def explicit_pads(
    auto_pad: str, pads: Sequence[int], sizes: Sequence[int], extents: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    """(begin, end) per spatial dimension. `extents` are the dilated kernel sizes, dilation * (k - 1) + 1."""
    rank = len(sizes)
    if auto_pad == "VALID":
        return [(0, 0)] * rank
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        pairs = []
        for size, extent, stride in zip(sizes, extents, strides, strict=True):
            total = max((-(-size // stride) - 1) * stride + extent - size, 0)
            small, large = total // 2, total - total // 2
            pairs.append((small, large) if auto_pad == "SAME_UPPER" else (large, small))
        return pairs
    return [(pads[axis], pads[rank + axis]) for axis in range(rank)]


def pads_to_reach(wanted: Sequence[int], natural: Sequence[int], auto_pad: str) -> list[tuple[int, int]]:
    """(begin, end) that ConvTranspose cuts from its `natural` output sizes to give the `wanted` ones.

    The larger half is at the end for SAME_UPPER, at the beginning otherwise (ConvTranspose-11).
    """
    totals = [have - want for have, want in zip(natural, wanted, strict=True)]
    if min(totals) < 0:
        raise ValueError(f"output_shape {wanted} is larger than the unpadded output {natural}")
    halves = [(total // 2, total - total // 2) for total in totals]
    return halves if auto_pad == "SAME_UPPER" else [(large, small) for small, large in halves]


def slice_positions(size: int, start: int, end: int, step: int) -> npt.NDArray[np.intp]:
    """Positions that Slice takes of an axis. Negative bounds count from the back, then both are clamped."""
    # With a negative step the end may be one before position 0, which no Python slice can say.
    low, high = (0, size) if step > 0 else (-1, size - 1)
    first = min(max(start + size if start < 0 else start, 0), high)
    last = min(max(end + size if end < 0 else end, low), high)
    return np.arange(first, last, step, dtype=np.intp)


def crop_or_pad(x: Array, pairs: Sequence[tuple[int, int]], value: float = 0.0) -> Array:
    """Grow every axis by its (begin, end), or crop where they are negative.

    As the ONNX specification of Pad has it, cropping and growing are independent at the two ends.
    Raises ValueError when an axis would be cropped to less than nothing.
    """
    for axis, (begin, end) in enumerate(pairs):
        if x.shape[axis] + begin + end < 0:
            raise ValueError(f"pads {(begin, end)} remove more than axis {axis} of shape {x.shape} has")
    grown = np.pad(x, [(max(b, 0), max(e, 0)) for b, e in pairs], constant_values=value)
    kept = tuple(slice(max(-b, 0), n - max(-e, 0)) for (b, e), n in zip(pairs, grown.shape, strict=True))
    return grown[kept]


def window(offsets: Sequence[int], strides: Sequence[int], counts: Sequence[int]) -> tuple[slice, ...]:
    """Index of the elements that one tap reads: batch and channels whole, `counts` positions `strides`
    apart.
    """
    spatial = (slice(o, o + s * (m - 1) + 1 if m else o, s) for o, s, m in zip(offsets, strides, counts, strict=True))
    return (slice(None), slice(None), *spatial)


def convolve(
    x: Array,
    weight: Array,
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[tuple[int, int]],
    groups: int,
) -> Array:
    """Conv without bias. x: (batch, in, *sizes), weight: (out, in/groups, *kernel). Raises ValueError on bad
    shapes.
    """
    batch, channels = x.shape[:2]
    out, per_group, *kernel = weight.shape
    if channels != per_group * groups or out % groups:
        raise ValueError(f"weight {weight.shape} in {groups} group(s) does not fit an input of {channels} channels")
    x = crop_or_pad(x, [(0, 0), (0, 0), *pads])
    counts = [
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], kernel, strides, dilations, strict=True)
    ]
    if min(counts, default=1) < 0:
        raise ValueError(f"a kernel of {kernel} is larger than its padded input {x.shape}")
    if per_group == 1 and kernel and kernel[-1] >= _LARGE_KERNEL:
        by_group = weight.reshape(groups, out // groups, *kernel)
        return _convolve_rows(x, by_group, strides, dilations, counts).reshape(batch, out, *counts)
    # Taps first and contiguous: numpy's matmul calls BLAS on such matrices only.
    taps = np.ascontiguousarray(np.moveaxis(weight.reshape(groups, out // groups, per_group, -1), -1, 0))
    result = np.zeros((batch, groups, out // groups, int(np.prod(counts))))
    for tap, index in zip(taps, np.ndindex(*kernel), strict=True):
        offsets = [k * d for k, d in zip(index, dilations, strict=True)]
        columns = x[window(offsets, strides, counts)].reshape(batch, groups, per_group, -1)
        result += tap * columns if per_group == 1 else np.matmul(tap, columns)
    return result.reshape(batch, out, *counts)


def _convolve_rows(
    x: Array, weight: Array, strides: Sequence[int], dilations: Sequence[int], counts: Sequence[int]
) -> Array:
    """Depthwise convolution of the padded `x` with a large kernel: a banded matrix product a kernel row.

    x: (batch, groups, *sizes), weight: (groups, out/groups, *kernel). The band has W_in columns for each of a
    row's k taps, but BLAS is much faster on it than numpy is on k elementwise products.
    """
    batch, groups, *sizes = x.shape
    places = np.arange(counts[-1])
    result = np.zeros((batch, *weight.shape[:2], int(np.prod(counts[:-1])), counts[-1]))
    for index in np.ndindex(*weight.shape[2:-1]):
        band = np.zeros((*weight.shape[:2], sizes[-1], counts[-1]))
        for tap in range(weight.shape[-1]):
            values = weight[(slice(None), slice(None), *index, tap)]
            band[:, :, places * strides[-1] + tap * dilations[-1], places] = values[:, :, np.newaxis]
        offsets = [k * d for k, d in zip(index, dilations[:-1], strict=True)]
        rows = x[window(offsets, strides[:-1], counts[:-1])].reshape(batch, groups, 1, -1, sizes[-1])
        result += np.matmul(rows, band)
    return result


def convolve_transposed(
    x: Array,
    weight: Array,
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[tuple[int, int]],
    output_padding: Sequence[int],
    groups: int,
) -> Array:
    """ConvTranspose without bias. x: (batch, in, *sizes), weight: (in, out/groups, *kernel)."""
    batch, channels, *sizes = x.shape
    if weight.shape[0] != channels or channels % groups:
        raise ValueError(f"weight {weight.shape} in {groups} group(s) does not fit an input of {channels} channels")
    per_group, *kernel = weight.shape[1:]
    full = [
        s * (n - 1) + d * (k - 1) + 1 + extra
        for n, k, s, d, extra in zip(sizes, kernel, strides, dilations, output_padding, strict=True)
    ]
    by_tap = np.moveaxis(weight.reshape(groups, channels // groups, per_group, -1), -1, 0)
    taps = np.ascontiguousarray(np.swapaxes(by_tap, 2, 3))
    columns = x.reshape(batch, groups, channels // groups, -1)
    result = np.zeros((batch, groups * per_group, *full))
    for tap, index in zip(taps, np.ndindex(*kernel), strict=True):
        offsets = [k * d for k, d in zip(index, dilations, strict=True)]
        result[window(offsets, strides, sizes)] += np.matmul(tap, columns).reshape(batch, -1, *sizes)
    return crop_or_pad(result, [(0, 0), (0, 0), *((-b, -e) for b, e in pads)])


def average(
    x: Array,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[tuple[int, int]],
    *,
    count_include_pad: bool,
    ceil_mode: bool,
) -> Array:
    """AveragePool. With ceil_mode the last window may hang over the end: what hangs over is never counted."""
    counts, overhang = [], []
    for n, k, s, d, (begin, end) in zip(x.shape[2:], kernel, strides, dilations, pads, strict=True):
        extent = d * (k - 1) + 1
        count = (n + begin + end - extent + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (count - 1) * s >= n + begin:
            count -= 1  # a window has to start inside the input or its left padding
        counts.append(count)
        overhang.append(max((count - 1) * s + extent - (n + begin + end), 0))
    if min(counts, default=1) < 0:
        raise ValueError(f"a window of {list(kernel)} is larger than its padded input {x.shape}")
    inside = np.ones((1, 1, *x.shape[2:]))
    counted = crop_or_pad(inside, [(0, 0), (0, 0), *pads], float(count_include_pad))
    tails = [(0, 0), (0, 0), *((0, extra) for extra in overhang)]
    x, counted = np.pad(crop_or_pad(x, [(0, 0), (0, 0), *pads]), tails), np.pad(counted, tails)
    total = np.zeros((*x.shape[:2], *counts))
    members = np.zeros((1, 1, *counts))
    for index in product(*map(range, kernel)):
        place = window([k * d for k, d in zip(index, dilations, strict=True)], strides, counts)
        total += x[place]
        members += counted[place]
    return np.asarray(total / members, dtype=np.float64)

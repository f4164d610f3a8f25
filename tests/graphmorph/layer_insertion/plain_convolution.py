"""A convolution of any rank in plain numpy, as ONNX's Conv defines it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def convolved(
    x: np.ndarray, weight: np.ndarray, strides: Sequence[int], pads: Sequence[int], dilations: Sequence[int]
) -> np.ndarray:
    """x (N, C, *sizes), weight (O, C, *kernel), pads begins then ends; (N, O, *sizes of the result)."""
    rank, kernel = x.ndim - 2, weight.shape[2:]
    padded = np.pad(x, [(0, 0), (0, 0), *((pads[a], pads[a + rank]) for a in range(rank))])
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    seen = sliding_window_view(padded, reach, axis=tuple(range(2, 2 + rank)))
    steps = (*(slice(None, None, s) for s in strides), *(slice(None, None, d) for d in dilations))
    seen = seen[(slice(None), slice(None), *steps)]
    taps = list(range(2 + rank, 2 + 2 * rank))
    return np.moveaxis(np.tensordot(seen, weight, axes=([1, *taps], list(range(1, 2 + rank)))), -1, 1)


def keeping_pads(kernel: Sequence[int]) -> list[int]:
    """With which a convolution gives as many positions as it reads."""
    return [(k - 1) // 2 for k in kernel] + [k - 1 - (k - 1) // 2 for k in kernel]

"""The average kernel magnitude matrix A (ACNet, Ding et al., ICCV 2019, equations 9 and 10).

    S(i) = sum over filters j and input channels c of |F(i,j)[:, :, c]|        (10)
    A    = 1/L * sum over layers i = 1..L of S(i) / max(S(i))                  (9)

S, and with it A, has one entry for each position of a k x k kernel; layers of one kernel size share an A.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphmorph.errors import RefusedError


def kernel_magnitude(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """S of equation 10, (k, k), of a kernel of shape (out, in/groups, k, k)."""
    summed: NDArray[np.float64] = np.abs(kernel).sum(axis=(0, 1))
    return summed


def relative_magnitude(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """S / max(S) of equation 9, (k, k), of a kernel of shape (out, in/groups, k, k).

    Raises:
        RefusedError: the kernel has nothing but zeros, or a number that is not finite.
    """
    magnitude = kernel_magnitude(kernel)
    largest = magnitude.max(initial=0.0)
    if not np.isfinite(magnitude).all():
        raise RefusedError("its weights are not all finite")
    if largest == 0:
        raise RefusedError("all its weights are zero")
    relative: NDArray[np.float64] = magnitude / largest
    return relative


def average_magnitude(relative: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """A of equation 9, (k, k), from the relative magnitudes (k, k) of one or more layers."""
    average: NDArray[np.float64] = np.mean(relative, axis=0)
    return average

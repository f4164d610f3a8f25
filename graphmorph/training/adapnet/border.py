"""Points on the border of a cluster: BORDER (Xia et al., TKDE 2006), as algorithm 1 of AdapNet has it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def reverse_neighbours(points: Array, neighbours: int) -> NDArray[np.int64]:
    """(points,) how many others count each among their `neighbours` nearest. points: (points, D).

    Of points at the same distance, those that come first are nearer.
    """
    from scipy.spatial.distance import cdist

    distance = cdist(points, points)
    np.fill_diagonal(distance, np.inf)
    count = min(neighbours, len(points) - 1)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :count]
    return np.bincount(nearest.reshape(-1), minlength=len(points))


def border_points(points: Array, share: float) -> NDArray[np.int64]:
    """Which points have the fewest reverse neighbours: this share of them, rounded up; k is the root of their number.

    The only point of a cluster is its border.
    """
    if not len(points):
        return np.zeros(0, np.int64)
    reverse = reverse_neighbours(points, math.isqrt(len(points)))
    return np.sort(np.argsort(reverse, kind="stable")[: math.ceil(share * len(points))])

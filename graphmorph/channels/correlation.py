"""New filters made from old ones (AdapNet, section 3.3): inverse, rotated, scaled or translated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Correlation = Literal["copy", "inverse", "rotation", "scale", "translation"]
#: auto: by how deep a layer is.
AnyCorrelation = Literal["auto", Correlation]

#: What a scaled filter is multiplied by.
SCALE = 0.5

#: By the quarter of the network that a layer lies in.
_QUARTERS: tuple[Correlation, ...] = ("inverse", "rotation", "scale", "translation")


def by_depth(place: int, layers: int) -> Correlation:
    """The correlation of the layer at a place among all of them."""
    return _QUARTERS[min(4 * place // max(layers, 1), 3)]


def correlated(filters: Array, numbers: NDArray[np.int64], correlation: Correlation, window: int) -> Array:
    """New filters from copies of their masters.

    filters: (n, ...), whose last `window` axes are positions of a kernel. numbers: (n,) which copy of its master each
    is: to the k-th, the correlation is applied k times. A matrix, and a kernel of one position, cannot be rotated or
    translated: their filters stay copies.
    """
    made = filters.copy()
    for number in np.unique(numbers).tolist():
        chosen = numbers == number
        for _ in range(number):
            made[chosen] = _APPLIED[correlation](made[chosen], window)
    return made


def _rotated(filters: Array, window: int) -> Array:
    """By 90 degrees in the last two axes; by 180 where these differ, and a line is turned round."""
    if window >= 2 and filters.shape[-1] == filters.shape[-2]:
        return np.rot90(filters, axes=(-2, -1))
    return np.flip(filters, axis=tuple(range(filters.ndim - min(window, 2), filters.ndim)))


def _translated(filters: Array, window: int) -> Array:
    """By one position along the last axis of the kernel that has several; zeros come in."""
    axes = [axis for axis in range(filters.ndim - window, filters.ndim) if filters.shape[axis] > 1]
    if not axes:
        return filters
    moved = np.moveaxis(np.zeros_like(filters), axes[-1], 0)
    moved[1:] = np.moveaxis(filters, axes[-1], 0)[:-1]
    return np.moveaxis(moved, 0, axes[-1])


_APPLIED: dict[Correlation, Callable[[Array, int], Array]] = {
    "copy": lambda filters, window: filters,
    "inverse": lambda filters, window: -filters,
    "rotation": _rotated,
    "scale": lambda filters, window: SCALE * filters,
    "translation": _translated,
}

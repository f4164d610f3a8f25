"""Kept elements, axis by axis: which places of a tensor stay, and how large it is afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.elements import Axes, Axis

Mask = NDArray[np.bool_]


@dataclass
class Masks:
    """Masks of axes under one choice of what stays. kept: by element id."""

    kept: Mask
    _known: dict[int, tuple[Axis, Mask | None]] = field(default_factory=dict)

    def of(self, axis: Axis) -> Mask | None:
        """By place along the axis, whether it stays; None where all of it does."""
        if axis is None:
            return None
        known = self._known.get(id(axis))
        if known is None:
            mask: Mask = self.kept[axis]
            # Axes are passed on by reference: most of them have been seen. Holding one keeps its identity from use.
            known = self._known[id(axis)] = (axis, None if mask.all() else mask)
        return known[1]

    def changes(self, axes: Axes) -> bool:
        """Whether an axis loses elements."""
        return any(self.of(axis) is not None for axis in axes)

    def sizes(self, axes: Axes, before: Sequence[int]) -> tuple[int, ...]:
        """Sizes afterwards."""
        masks = [self.of(axis) for axis in axes]
        return tuple(n if mask is None else int(mask.sum()) for n, mask in zip(before, masks, strict=True))

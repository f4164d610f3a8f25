"""Gather: constant indices into an axis that loses elements."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.resizing.resized import Resized, resizer


@resizer("Gather")
def gather(node: Resized) -> None:
    """Gather: indices up to a vector; those of removed elements go, the others count what is left."""
    axis = node.normal(int(node.attribute("axis", 0)))
    mask = node.mask(0, axis)
    if mask is None:
        return
    if not node.is_constant(1) or node.array(1).ndim > 1:
        raise node.refused(f"axis {axis} loses elements, and what it looks up there is not constant")
    indices = node.array(1).astype(np.int64)
    indices = np.where(indices < 0, indices + mask.size, indices)
    kept = mask[indices]
    if indices.ndim:
        indices = indices[kept]
    elif not kept:
        raise node.refused(f"element {int(indices)} of axis {axis}, the one that it takes, is removed")
    node.set_integers(1, (np.cumsum(mask) - 1)[indices], "indices")

"""ScatterND: constant indices that count along an axis which gains or loses elements."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.resizing.arrangement import copy_numbers, located
from graphmorph.channels.resizing.resized import Resized, resizer
from graphmorph.channels.written import Written, written_along


@resizer("ScatterND")
def scatter_nd(node: Resized) -> None:
    """ScatterND: each of the updates that are left is written where its element is now."""
    if not node.is_constant(1):
        return
    indices = node.array(1).astype(np.int64)
    for one in written_along(indices, node.before(0)):
        data, updates = node.places(0, one.axis), node.places(2, one.lead)
        if data is None and updates is None:
            continue
        made = np.arange(one.taken.size) if updates is None else updates
        held = np.arange(node.before(0)[one.axis]) if data is None else data
        indices = indices.take(made, one.lead)
        indices[..., one.axis] = _along(located(held, one.taken[made], copy_numbers(made)), one, indices.ndim)
    node.set_integers(1, indices, "indices")


def _along(places: np.ndarray, one: Written, rank: int) -> np.ndarray:
    """Places as the entry of an axis, which differs along one axis of the updates."""
    return places.reshape([-1 if axis == one.lead else 1 for axis in range(rank - 1)])

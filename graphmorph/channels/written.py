"""Where a ScatterND writes, as far as its indices count along an axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Written:
    """Along an axis of the data, the updates at `place` of their axis `lead` are written at `taken[place]`."""

    axis: int
    lead: int
    taken: NDArray[np.int64]


def written_along(indices: NDArray[np.int64], sizes: tuple[int, ...]) -> Iterator[Written]:
    """Axes of the data that are written at each of some places in the same way: x[:, channels, 0] = updates.

    indices: (sizes of the updates, axes), of ScatterND-11. sizes: of the data. An axis counts if its entry of the
    indices differs along one axis of the updates alone, which no other entry does, and writes nothing twice.
    """
    places = [
        np.where(indices[..., axis] < 0, indices[..., axis] + sizes[axis], indices[..., axis])
        for axis in range(indices.shape[-1])
    ]
    differs = [[lead for lead in range(along.ndim) if (along != along.take([0], lead)).any()] for along in places]
    for axis, leads in enumerate(differs):
        if len(leads) == 1 and sum(leads[0] in others for others in differs) == 1:
            taken = np.moveaxis(places[axis], leads[0], -1).reshape(-1, places[axis].shape[leads[0]])[0]
            if np.unique(taken).size == taken.size:
                yield Written(axis, leads[0], taken)

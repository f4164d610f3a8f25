"""One eigenspace for all LSEPs.

The paper clusters incrementally "in spectral clustering eigenspace"; but every LSEP has an eigenspace of its own, whose
axes mean nothing in the next. So some feature maps of every cluster, the anchors, are embedded again together with the
next LSEP's, and the new space is turned (orthogonal Procrustes; no stretching) until they lie where the centres of
their clusters are. A cluster that is new is at right angles to the anchors, and stays so when it is turned.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from graphmorph.training.adapnet.state import State

Array = NDArray[np.float64]


class Anchors:
    """maps: (anchors, height, width). labels: (anchors,) the cluster of each."""

    def __init__(self) -> None:
        self.maps = np.zeros((0, 1, 1), np.float32)
        self.labels = np.zeros(0, np.int64)

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.labels.size)

    def with_maps(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps of an LSEP, and the anchors behind them."""
        return np.concatenate([maps, self.maps]) if self.count else maps

    def turned(self, points: Array, centres: Array) -> Array:
        """Points (points, D), the last of which are the anchors, turned to the centres (clusters, D)."""
        from scipy.linalg import orthogonal_procrustes

        if not self.count:
            return points
        rotation, _ = orthogonal_procrustes(points[-self.count :], centres[self.labels])
        turned: Array = points @ rotation
        return turned

    def choose(
        self, maps: NDArray[np.float32], points: Array, labels: NDArray[np.int64], centres: Array, count: int
    ) -> None:
        """Of every cluster, the `count` maps next to its centre; a cluster that has none now keeps its anchors.

        maps, points, labels: of an LSEP, with the anchors behind, as `with_maps` has them.
        """
        distance = np.linalg.norm(points - centres[labels], axis=1)
        chosen: list[NDArray[np.int64]] = []
        found: list[NDArray[np.int64]] = []
        for cluster in range(len(centres)):
            members = np.flatnonzero(labels == cluster)
            if not members.size:
                members = len(maps) - self.count + np.flatnonzero(self.labels == cluster)
            nearest = members[np.argsort(distance[members], kind="stable")][:count]
            chosen.append(nearest)
            found.append(np.full(nearest.size, cluster, np.int64))
        self.maps, self.labels = maps[np.concatenate(chosen)], np.concatenate(found)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything; `from_state` makes the same again."""
        return {"maps": self.maps, "labels": self.labels}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The anchors that a state was taken of."""
        made = cls()
        made.maps, made.labels = state["maps"].copy(), state["labels"].copy()
        return made

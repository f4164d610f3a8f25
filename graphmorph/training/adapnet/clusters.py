"""Incremental k-means over LSEPs (AdapNet, section 3.1; Aaron et al.: Dynamic incremental k-means clustering, 2014).

Each centre is the mean of all points that ever were nearest to it: scikit-learn's MiniBatchKMeans.partial_fit, made
anew each time from centres and counts (given to it as weighted points), so that these are all there is to be kept.

New clusters. The eigengap counts those of this LSEP; k-means finds their centres, and one that is further from all that
are known than half the right angle at which the embedding sets clusters, 2 sin 22.5°, is new. When there are as many as
the space has dimensions, points go to the nearest.
"""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from graphmorph.training.adapnet.state import State

Array = NDArray[np.float64]

#: Points on a sphere whose angle is 45°.
NEW_FROM = 2.0 * float(np.sin(np.pi / 8))


class IncrementalClusters:
    """centres: (clusters, D). counts: (clusters,) how many points each is the mean of.

    Args:
        dimensions: D, and the most clusters.
        seed: of k-means in each LSEP.
    """

    def __init__(self, dimensions: int, seed: int) -> None:
        self.centres: Array = np.zeros((0, dimensions))
        self.counts: Array = np.zeros(0)
        self._seed = seed

    def discover(self, points: Array, clusters: int) -> int:
        """Add those of this LSEP's clusters that are new, and say how many. points: (points, D)."""
        known = list(self.centres)
        for centre in _means(points, clusters, self._seed):
            if len(known) < points.shape[1] and all(np.linalg.norm(centre - one) > NEW_FROM for one in known):
                known.append(centre)
        new = len(known) - len(self.centres)
        self.centres = np.array(known)
        self.counts = np.pad(self.counts, (0, new))
        return new

    def learn(self, points: Array) -> None:
        """Move the centres: they are means of these points, too."""
        from sklearn.cluster import MiniBatchKMeans

        if not len(points):
            return
        model = MiniBatchKMeans(
            len(self.centres), init=self.centres, n_init=1, random_state=self._seed, reassignment_ratio=0.0
        )
        if self.counts.any():
            model.partial_fit(self.centres, sample_weight=self.counts)
        before = self.labels(points)
        model.partial_fit(points)
        self.centres = np.asarray(model.cluster_centers_, np.float64)
        self.counts = self.counts + np.bincount(before, minlength=self.counts.size)

    def labels(self, points: Array) -> NDArray[np.int64]:
        """(points,) the nearest centre, the first of equals."""
        from scipy.spatial.distance import cdist

        return np.asarray(cdist(points, self.centres).argmin(axis=1), np.int64)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything but the settings; `restore` takes it."""
        return {"centres": self.centres, "counts": self.counts}

    def restore(self, state: State) -> Self:
        """Go on from a state."""
        self.centres, self.counts = state["centres"].copy(), state["counts"].copy()
        return self


def _means(points: Array, clusters: int, seed: int) -> Array:
    """Centres (clusters, D) of the points by k-means."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():  # fewer different points than clusters: the centres that are left over coincide
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(KMeans(clusters, n_init=10, random_state=seed).fit(points).cluster_centers_, np.float64)

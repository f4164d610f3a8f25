"""RFMDist and FMDist of a layer (AdapNet, section 3, equation 1): how often maps of each filter fall in each cluster.

As in the paper, RFMDist alone is kept, (filters, clusters), with a mark on the columns that are concepts: FMDist.

    P_ij = FMDist[i, j] / sum over i of FMDist[i, j]                                                     (equation 1)

Algorithms 3 and 4 look at the distribution of a filter over concepts: rows of P divided by their sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from graphmorph.errors import UsageError
from graphmorph.journal import NEW
from graphmorph.training.adapnet.state import State
from graphmorph.training.adapnet.uniformity import uniformity

Array = NDArray[np.float64]


class Activity:
    """raw: (filters, clusters) counts, RFMDist. is_concept: (clusters,) which columns are FMDist."""

    def __init__(self, filters: int) -> None:
        self.raw: Array = np.zeros((filters, 0))
        self.is_concept = np.zeros(0, np.bool_)

    @property
    def probabilities(self) -> Array:
        """(filters, concepts) P of equation 1; zeros for a concept in which nothing was counted."""
        return _shares(self.raw[:, self.is_concept], axis=0)

    @property
    def distributions(self) -> Array:
        """(filters, concepts) rows of P that sum up to 1; zeros for a filter that was never seen."""
        return _shares(self.probabilities, axis=1)

    def filter_uniformity(self, evidence: int | None = None) -> Array:
        """(filters,) p-values of their activity being spread over the concepts as everybody's is.

        NaN for a filter that fires, but never in a concept: nobody can tell. 1 for one that does not fire.
        """
        counts = self.raw[:, self.is_concept]
        elsewhere = self.raw.any(axis=1) & ~counts.any(axis=1)
        return np.where(elsewhere, np.nan, uniformity(counts, counts.sum(axis=0), evidence))

    def cluster_uniformity(self, evidence: int | None = None) -> Array:
        """(clusters,) p-values of all filters being as active in it as they are in all clusters together."""
        return uniformity(self.raw.T, self.raw.sum(axis=1), evidence)

    def add_clusters(self, clusters: int) -> None:
        """Columns for new clusters, up to so many: nothing counted, no concepts."""
        new = clusters - self.is_concept.size
        self.raw = np.pad(self.raw, ((0, 0), (0, new)))
        self.is_concept = np.pad(self.is_concept, (0, new))

    def count(self, filters: NDArray[np.int64], clusters: NDArray[np.int64]) -> None:
        """Add feature maps: (maps,) which filter each is of, and which cluster it is in."""
        np.add.at(self.raw, (filters, clusters), 1.0)

    def drop_useless(self, beta: float, evidence: int | None = None) -> list[int]:
        """At the end of an epoch: concepts whose columns have become uniform are concepts no more. Which these are."""
        dropped = self.is_concept & (self.cluster_uniformity(evidence) > beta)
        self.is_concept &= ~dropped
        return [int(one) for one in np.flatnonzero(dropped)]

    def merge(self, first: int, second: int) -> None:
        """Filter `first` is now the mean of both (section 3); `second` stays until `follow` leaves it out."""
        self.raw[first] = (self.raw[first] + self.raw[second]) / 2

    def follow(self, taken: Sequence[int]) -> None:
        """Filter i is now what filter taken[i] was, or NEW (journal.Slice): nothing was seen of it.

        Raises:
            UsageError: there is no such filter.
        """
        self.raw = rows_taken(self.raw, taken, 0.0)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything; `from_state` makes the same again."""
        return {"raw": self.raw.copy(), "is_concept": self.is_concept.copy()}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The activity that a state was taken of."""
        made = cls(len(state["raw"]))
        made.raw, made.is_concept = state["raw"].copy(), state["is_concept"].copy()
        return made


def rows_taken(rows: NDArray[Any], taken: Sequence[int], new: float) -> NDArray[Any]:
    """Rows by number; `new` where it is NEW.

    Raises:
        UsageError: there is no such row.
    """
    places = np.array(taken, np.int64)
    if places.size and (places.max() >= len(rows) or places.min() < NEW):
        raise UsageError(f"filters {list(taken)} are to be taken of {len(rows)}")
    made = np.full((places.size, *rows.shape[1:]), new, rows.dtype)
    made[places != NEW] = rows[places[places != NEW]]
    return made


def _shares(counts: Array, axis: int) -> Array:
    sums = np.broadcast_to(counts.sum(axis=axis, keepdims=True), counts.shape)
    shares: Array = np.divide(counts, sums, out=np.zeros_like(counts), where=sums > 0)
    return shares

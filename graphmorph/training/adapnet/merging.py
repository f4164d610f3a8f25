"""Which filters are merged (AdapNet, section 3.2, algorithm 3): alike in their maps, and in their distributions.

Readings. Γ2 is twice the mean cosine of all pairs of different filters of the layer; where that mean is below 0, twice
its size, since most pairs exceed a negative Γ2. The Chebyshev distance is between distributions over concepts (rows of
FMDist that sum up to 1, as in algorithm 4): columns of P sum up to 1 over all filters, so that hardly any two of its
rows differ by Γ3. Each filter has one partner at most, the most similar pairs first. Where layers are tied, both
conditions hold in every layer that has a say. A filter that was never seen in a concept is like no other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.merging import alike
from graphmorph.training.adapnet.decisions import Merging
from graphmorph.training.adapnet.evidence import LayerEvidence, telling

Array = NDArray[np.float64]


def mergings(
    members: Sequence[LayerEvidence], eligible: NDArray[np.bool_], *, factor: float, below: float
) -> list[Merging]:
    """Pairs of eligible filters, by how far their cosine is above the threshold (in the layer where it is least so).

    eligible: (filters,).
    """
    voters = telling(members)
    if not voters or eligible.size < 2:
        return []
    cosines = np.stack([one.cosines for one in voters])
    thresholds = np.array([similarity_threshold(one.cosines, factor) for one in voters])
    distances = np.stack([chebyshev(one.distributions) for one in voters])
    apart = distances.max(axis=0)
    barred = ~eligible | np.stack([~one.distributions.any(axis=1) for one in voters]).any(axis=0)
    apart[barred], apart[:, barred] = np.inf, np.inf
    excess = (cosines - thresholds[:, None, None]).min(axis=0)
    return [
        Merging(
            pair.first,
            pair.second,
            tuple(cosines[:, pair.first, pair.second].tolist()),
            tuple(thresholds.tolist()),
            tuple(distances[:, pair.first, pair.second].tolist()),
            below,
        )
        for pair in alike(excess, apart, above=0.0, below=below)
    ]


def similarity_threshold(cosines: Array, factor: float) -> float:
    """Γ2 from the cosines (filters, filters) of at least two filters."""
    return factor * abs(float(cosines[np.triu_indices(len(cosines), 1)].mean()))


def chebyshev(distributions: Array) -> Array:
    """(filters, filters) the largest difference between the entries of two rows."""
    return np.stack([np.abs(distributions - one).max(axis=1) for one in distributions])

"""Which clusters are intermediate concepts (AdapNet, section 3.1, algorithm 1).

Readings. |C - {points}| is, for a candidate, the distance to the nearest border point; for the concept it is the mean
over its border points, its radius. (With means on both sides nothing would ever be too near: the mean distance to
points all around a cluster is least at its centre. With the nearest on both, one border point near the centre, and
BORDER finds such, leaves no margin.) So a candidate must be further outside than 0.75 of the radius. Clusters are
looked at in the order in which they were found, and one that was accepted counts for the next. Where there is no
concept yet, or no map of this LSEP lies in the nearest one, there is no border to keep away from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphmorph.training.adapnet.border import border_points

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ConceptVerdict:
    """Whether a cluster became a concept.

    uniformity: the p-value of its column. nearest: the concept next to it. distance: to the border of that. needed:
    what it had to exceed. None: nothing was in the way, or the column was uniform already.
    """

    cluster: int
    accepted: bool
    uniformity: float
    nearest: int | None = None
    distance: float | None = None
    needed: float | None = None


def detect_concepts(
    centres: Array,
    is_concept: NDArray[np.bool_],
    uniformity: Array,
    points: Array,
    labels: NDArray[np.int64],
    *,
    beta: float,
    border_share: float,
    margin: float,
) -> list[ConceptVerdict]:
    """Algorithm 1: a verdict on every cluster that is no concept yet.

    centres: (clusters, D). is_concept, uniformity: (clusters,). points: (points, D) in the eigenspace. labels:
    (points,) the cluster of each. margin: how much of its own distance to the border a concept keeps others away.
    """
    accepted = [int(one) for one in np.flatnonzero(is_concept)]
    verdicts = []
    for cluster in np.flatnonzero(~is_concept).tolist():
        p_value = float(uniformity[cluster])
        if p_value >= beta:
            verdicts.append(ConceptVerdict(cluster, False, p_value))
            continue
        members = np.zeros((0, points.shape[1]))
        if accepted:
            nearest = accepted[int(np.linalg.norm(centres[accepted] - centres[cluster], axis=1).argmin())]
            members = points[labels == nearest]
        if not len(members):
            verdicts.append(ConceptVerdict(cluster, True, p_value))
        else:
            border = members[border_points(members, border_share)]
            distance = float(_distances(centres[cluster], border).min())
            needed = margin * float(_distances(centres[nearest], border).mean())
            verdicts.append(ConceptVerdict(cluster, distance > needed, p_value, nearest, distance, needed))
        if verdicts[-1].accepted:
            accepted.append(cluster)
    return verdicts


def _distances(centre: Array, border: Array) -> Array:
    distances: Array = np.linalg.norm(border - centre, axis=1)
    return distances

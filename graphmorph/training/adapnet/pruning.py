"""Which filters are candidates for pruning (AdapNet, section 3.2, algorithm 2): uniform, and little to their readers.

Readings. Γ1 = 0.6 is compared with v_c of equation 4 as it is, not with a share of the largest. Where layers are tied,
a filter goes if it is uniform in every layer that has a say, and below Γ1 for every reader: whoever needs it keeps it.
The paper tells nothing of the tied layers of its ResNet50. A filter whose maps lie in clusters that are no concepts has
no distribution to be uniform, and stays; one that is silent on all samples is uniform.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphmorph.errors import UsageError
from graphmorph.training.adapnet.decisions import Pruning
from graphmorph.training.adapnet.evidence import LayerEvidence, telling


def prunings(
    members: Sequence[LayerEvidence],
    kse: NDArray[np.float64],
    eligible: NDArray[np.bool_],
    *,
    beta: float,
    threshold: float,
    least: int,
) -> list[Pruning]:
    """The candidates, the most uniform first; never so many that fewer than `least` filters are left.

    kse: (readers, filters) v_c of equation 4; without readers, nothing is pruned. eligible: (filters,) those that are
    neither protected nor frozen.

    Raises:
        UsageError: arrays that do not fit each other.
    """
    voters = telling(members)
    _require_fit(members[0], kse, eligible)
    if not voters or not len(kse):
        return []
    p_values = np.stack([one.uniformity for one in voters])
    least_uniform, most_needed = p_values.min(axis=0), kse.max(axis=0)
    found = np.flatnonzero(eligible & (least_uniform > beta) & (most_needed < threshold))
    order = found[np.lexsort((most_needed[found], -least_uniform[found]))]
    return [
        Pruning(int(one), tuple(p_values[:, one].tolist()), beta, float(most_needed[one]), threshold)
        for one in order[: max(0, int(eligible.size) - least)]
    ]


def _require_fit(member: LayerEvidence, kse: NDArray[np.float64], eligible: NDArray[np.bool_]) -> None:
    if kse.ndim != 2 or kse.shape[1] != member.filters or eligible.shape != (member.filters,):
        shapes = f"kse {kse.shape} and eligible {eligible.shape}"
        raise UsageError(f"{shapes} of {member.filters} filters: (readers, filters) and (filters,) are needed")

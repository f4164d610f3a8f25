"""Everything that an LSEP decides of a group of filters: one layer, or several that are tied (residual sums)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.correlation import Correlation
from graphmorph.training.adapnet.capacity import insertions
from graphmorph.training.adapnet.config import AdapNetConfig
from graphmorph.training.adapnet.decisions import GroupDecisions
from graphmorph.training.adapnet.evidence import LayerEvidence
from graphmorph.training.adapnet.merging import mergings
from graphmorph.training.adapnet.protection import Protection
from graphmorph.training.adapnet.pruning import prunings


def decide(
    members: Sequence[LayerEvidence],
    kse: NDArray[np.float64],
    protection: Protection,
    correlation: Correlation,
    *,
    beta: float,
    config: AdapNetConfig,
    random: np.random.Generator,
) -> GroupDecisions:
    """Pruning first; what it leaves may be merged; and what nobody touches may be the master of a new filter.

    members: of each layer of the group. kse: (readers, filters) v_c of equation 4, as of Criterion("kse",
    normalisation="none"). protection: which filters are new or frozen. correlation: by the depth of the group
    (channels.correlation.by_depth). random: draws masters.

    Raises:
        UsageError: arrays that do not fit each other.
    """
    left = protection.eligible
    least = config.least_filters + int(protection.frozen.sum())
    pruned = prunings(members, kse, left, beta=beta, threshold=config.kse_threshold, least=least)
    left[[one.filter for one in pruned]] = False
    merged = []
    if config.merging:
        found = mergings(members, left, factor=config.similarity_factor, below=config.chebyshev_threshold)
        merged = found[: max(0, left.size - len(pruned) - least)]
    left[[filter for one in merged for filter in (one.first, one.second)]] = False
    inserted = []
    if config.insertion:
        inserted = insertions(
            members, left, correlation, active_share=config.active_share, focus=config.focus, random=random
        )
    return GroupDecisions(tuple(pruned), tuple(merged), tuple(inserted))

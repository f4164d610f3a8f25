"""Whether activity is uniform: a chi-square test, and the schedule of its threshold β (AdapNet, section 3, Table 2).

The paper compares "chi-square" with β from 0.9 down to 0.18: below is not uniform (algorithm 1), above is (algorithm
2). That is how p-values behave, and these are taken; "partially uniform" is a p-value above β. Under equation 1, row i
of P is flat exactly if its counts are proportional to the sums of the columns, and so they are compared with these:
expected is (sum of row) x (sum of column) / (sum of all), as in Pearson's test of independence, one row (or column) at
a time. Columns are compared with the sums of rows likewise, since filters that were inserted later were seen less.

The more is counted, the smaller a difference the test calls significant; in the end no filter is uniform. Where counts
run into thousands, `evidence` bounds them: sums larger than so many for each column are scaled down, which leaves the
shape as it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graphmorph.training.adapnet.config import AdapNetConfig

Array = NDArray[np.float64]


def beta_at(epoch: int, config: AdapNetConfig) -> float:
    """β in an epoch of the evaluation phase, which begins with 0: Table 2. Startup, which asks no β, is not counted."""
    return max(config.least_beta, config.beta - config.beta_step * (epoch // config.beta_epochs))


def uniformity(counts: Array, reference: Array, evidence: int | None = None) -> Array:
    """(rows,) p-values of rows of counts (rows, columns) being proportional to the reference, (columns,).

    Nothing counted, or fewer than two columns to tell apart: 1.
    """
    from scipy.stats import chi2

    compared = reference > 0
    freedom = int(compared.sum()) - 1
    if freedom < 1:
        return np.ones(len(counts))
    observed = counts[:, compared]
    seen = observed.sum(axis=1)
    expected = np.outer(seen, reference[compared] / reference[compared].sum())
    terms = np.divide((observed - expected) ** 2, expected, out=np.zeros_like(expected), where=expected > 0)
    statistic = terms.sum(axis=1)
    if evidence is not None:
        statistic *= np.minimum(1.0, np.divide(evidence * (freedom + 1), seen, out=np.ones_like(seen), where=seen > 0))
    return np.asarray(chi2.sf(statistic, freedom), np.float64)

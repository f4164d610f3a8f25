"""Kernel sparsity and entropy: what the next layer makes of a channel. Arrays only.

AdapNet equation 4, after Li et al. (Exploiting kernel sparsity and entropy for interpretable CNN compression, CVPR
2019): the N kernels W_1,c .. W_N,c of the next layer that read channel c give

    dm(W_i,c) = sum of the distances from W_i,c to its k nearest neighbours among them
    e_c       = -sum over i of dm(W_i,c)/d_c * log2(dm(W_i,c)/d_c),   d_c = sum over i of dm(W_i,c)
    v_c       = sqrt(s_c / (1 + alpha e_c))

A large v_c is an important channel: kernels that are evenly spread (large entropy) tell little about it. AdapNet writes
"sum of similarity" for dm and refers to Li et al., where it is the sum of distances; that is taken here. AdapNet sets
s_c = 1. With s_c = sum over i of |W_i,c|, both s_c and e_c are scaled to 0..1 over the channels, as Li et al. do.
Kernels that are all equal have d_c = 0; they count as evenly spread, e_c = log2 N.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def kse(
    kernels: Callable[[int], NDArray[np.float64]], units: int, neighbours: int, alpha: float, sparsity: str
) -> NDArray[np.float64]:
    """v_c, (units,), from a function that gives the kernels (N, D) of the next layer that read unit c."""
    entropy, sums = np.empty(units), np.empty(units)
    for unit in range(units):
        read = kernels(unit)
        entropy[unit] = kernel_entropy(densities(read, neighbours))
        sums[unit] = np.abs(read).sum()
    if sparsity == "one":
        return indicator(np.ones(units), entropy, alpha)
    return indicator(_scaled(sums), _scaled(entropy), alpha)


def indicator(sparsity: NDArray[np.float64], entropy: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """v_c of equation 4, (units,)."""
    value: NDArray[np.float64] = np.sqrt(sparsity / (1.0 + alpha * entropy))
    return value


def kernel_entropy(density: NDArray[np.float64]) -> float:
    """e_c in bits, from the density metrics (N,) of the kernels."""
    total = float(density.sum())
    if total <= 0.0:
        return float(np.log2(density.size))
    share = density[density > 0.0] / total
    return float(-(share * np.log2(share)).sum())


def densities(kernels: NDArray[np.float64], neighbours: int) -> NDArray[np.float64]:
    """dm, (N,), of kernels (N, D): sums of distances to the nearest `neighbours`, of which there are at most N - 1."""
    from scipy.spatial import KDTree

    count = min(neighbours, kernels.shape[0] - 1)
    if count == 0:
        return np.zeros(kernels.shape[0])
    if kernels.shape[1] == 1:
        return _densities_on_a_line(kernels[:, 0], count)
    distances, _ = KDTree(kernels).query(kernels, k=count + 1)
    summed: NDArray[np.float64] = distances.sum(axis=1)
    return summed


def _densities_on_a_line(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The same for kernels of one number (1x1 convolutions, matrix products): neighbours are next in the order."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    padded = np.concatenate((np.full(count, -np.inf), ordered, np.full(count, np.inf)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * count + 1)
    distances = np.sort(np.abs(windows - ordered[:, None]), axis=1)[:, : count + 1]
    found = np.empty(values.size)
    found[order] = distances.sum(axis=1)
    return found


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = float(np.ptp(values))
    scaled: NDArray[np.float64] = (values - values.min()) / spread if spread > 0.0 else np.ones_like(values)
    return scaled

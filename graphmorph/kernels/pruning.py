"""Pruning by position (ACNet, Ding et al., ICCV 2019, section 4.4, figure 5).

Individual weights, chosen at random among those at some positions of every k x k kernel of a layer, are set to zero,
until a given share of all the layer's weights is. The four corners of 3 x 3 kernels hold 4/9 of them, so that a ratio
of 44 % removes nearly every corner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphmorph.errors import UsageError
from graphmorph.kernels.positions import Where, position_mask


@dataclass(frozen=True, eq=False)
class PrunedKernel:
    """A kernel (out, in/groups, k, k) of the type that it had, `zeroed` of whose weights were set to zero."""

    kernel: NDArray[Any]
    zeroed: int

    @property
    def sparsity(self) -> float:
        """The share of all weights that was set to zero."""
        return self.zeroed / self.kernel.size if self.kernel.size else 0.0


def prune_kernel(kernel: NDArray[Any], where: Where, sparsity: float, generator: np.random.Generator) -> PrunedKernel:
    """A copy of a kernel (out, in/groups, k, k) with round(sparsity * size) weights at `where` set to zero.

    From generators in the same state, the weights that a lower ratio removes are among those of a higher one.

    Raises:
        UsageError: a ratio outside 0 to 1, or above what the positions hold.
    """
    if not 0 <= sparsity <= 1:
        raise UsageError(f"a sparsity of {sparsity} is not between 0 and 1")
    mask = position_mask(where, kernel.shape[-1])
    candidates = np.flatnonzero(np.broadcast_to(mask, kernel.shape))
    zeroed = round(sparsity * kernel.size)
    if zeroed > candidates.size:
        raise UsageError(
            f"a sparsity of {sparsity:.4g} is more than the {where} positions of {mask.shape[0]} x {mask.shape[1]} "
            f"kernels hold: {mask.sum()} of {mask.size}, so {mask.mean():.4f} at most"
        )
    pruned = np.array(kernel, order="C")
    pruned.reshape(-1)[generator.permutation(candidates)[:zeroed]] = 0
    return PrunedKernel(pruned, zeroed)

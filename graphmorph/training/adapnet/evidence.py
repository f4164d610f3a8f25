"""What the decisions of an LSEP look at, of one layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphmorph.errors import UsageError

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LayerEvidence:
    """uniformity: (filters,) p-values of their activity being uniform, NaN where that cannot be told. distributions:
    (filters, concepts), rows of FMDist that sum up to 1, or zeros. cosines: (filters, filters), mean over the samples
    of the LSEP."""

    uniformity: Array
    distributions: Array
    cosines: Array

    @property
    def filters(self) -> int:
        """How many the layer has."""
        return int(self.uniformity.size)

    @property
    def tells(self) -> bool:
        """Whether there are concepts to tell filters apart by: at least two."""
        return bool(self.distributions.shape[1] >= 2)


def telling(members: Sequence[LayerEvidence]) -> list[LayerEvidence]:
    """Those of the layers of a group that have a say.

    Raises:
        UsageError: there are none, or their filters cannot be tied, being not as many.
    """
    if len({one.filters for one in members}) != 1:
        raise UsageError(f"a group of layers with {[one.filters for one in members]} filters: as many each are needed")
    return [one for one in members if one.tells]

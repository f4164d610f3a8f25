"""How alike the channels of a tensor are: mean cosine between their maps, over samples (AdapNet, algorithm 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from graphmorph.activations.moments import as_rows
from graphmorph.activations.rows import ChannelRows
from graphmorph.errors import UsageError

Array = NDArray[np.float64]


class ChannelSimilarity:
    """Sums of the cosines between the channel maps i and j of each sample; a map of zeros is like none, nor itself.

    Args:
        channels: how many.
        axis: where they are, as for `ChannelRows`.
    """

    def __init__(self, channels: int, axis: int = 1) -> None:
        self._maker = ChannelRows(axis)
        self.total = np.zeros((channels, channels))
        self.count = 0

    @property
    def mean(self) -> Array:
        """(channels, channels) mean cosine."""
        if not self.count:
            raise UsageError("no samples were seen: there is no mean of nothing")
        return self.total / self.count

    def update(self, activation: NDArray[Any]) -> None:
        """Add one batch.

        Raises:
            UsageError: another number of channels, or numbers that are not finite.
        """
        for sample in self._maker.view(activation):
            maps = as_rows(sample.astype(np.float64).reshape(-1, sample.shape[-1]), len(self.total))
            length = np.sqrt(np.einsum("pc,pc->c", maps, maps))
            unit = maps * np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
            self.total += unit.T @ unit
            self.count += 1

    def merge(self, other: ChannelSimilarity) -> None:
        """Add what another worker has seen.

        Raises:
            UsageError: the other has another number of channels.
        """
        if other.total.shape != self.total.shape:
            raise UsageError(f"similarities of {len(self.total)} and {len(other.total)} channels do not add up")
        self.total += other.total
        self.count += other.count

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, as arrays by name; `from_arrays` makes the same again."""
        return {"total": self.total, "count": np.array(self.count), "axis": np.array(self._maker.axis)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The similarity that `arrays` were taken of."""
        made = cls(len(arrays["total"]), int(arrays["axis"]))
        made.total, made.count = np.array(arrays["total"]), int(arrays["count"])
        return made

"""Distributions of activations, channel by channel, over bins that all channels share and that need no range given.

Bins lie symmetrically about 0 and are powers of two wide. A number beyond them makes them twice as wide, as often as
needed, and pairs of neighbours become one: nothing is lost, so that the counts do not depend on the order of the data,
nor on how it was shared between workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from graphmorph.activations.moments import as_rows
from graphmorph.activations.rows import ChannelRows, all_rows
from graphmorph.errors import UsageError

Array = NDArray[np.float64]

#: Bins start this narrow (2 to this power), below any number but 0 that float32 has.
_FINEST = -150


class Histogram:
    """Counts (channels, bins): bin k holds numbers from edges[k] up to, and without, edges[k + 1].

    Args:
        channels: how many.
        axis: where they are, as for `ChannelRows`.
        bins: an even number; half of them are for negative numbers.
    """

    def __init__(self, channels: int, axis: int = 1, *, bins: int = 128) -> None:
        if bins < 2 or bins % 2:
            raise UsageError(f"a histogram about 0 needs an even number of bins, not {bins}")
        self._maker = ChannelRows(axis)
        self.counts = np.zeros((channels, bins), np.int64)
        self._exponent = _FINEST

    @property
    def edges(self) -> Array:
        """(bins + 1,) ascending; the one in the middle is 0."""
        half = self.counts.shape[1] // 2
        return np.ldexp(np.arange(-half, half + 1, dtype=np.float64), self._exponent)

    @property
    def distribution(self) -> Array:
        """(channels, bins) the share of a channel's numbers in each bin; zeros for a channel of which none was seen."""
        seen = self.counts.sum(axis=1, keepdims=True)
        shares: Array = np.divide(self.counts, seen, out=np.zeros(self.counts.shape), where=seen > 0)
        return shares

    def update(self, activation: NDArray[Any]) -> None:
        """Add one batch.

        Raises:
            UsageError: another number of channels, or numbers that are not finite.
        """
        for (rows,) in all_rows([self._maker.view(activation)], [self._maker]):
            self._add(as_rows(rows, len(self.counts)))

    def merge(self, other: Histogram) -> None:
        """Add what another worker has seen.

        Raises:
            UsageError: the other has another number of channels or bins.
        """
        if other.counts.shape != self.counts.shape:
            raise UsageError(f"histograms {self.counts.shape} and {other.counts.shape} do not add up")
        self._widen(other._exponent)
        self.counts += _coarser(other.counts, self._exponent - other._exponent)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, as arrays by name; `from_arrays` makes the same again."""
        settings = {"exponent": np.array(self._exponent), "axis": np.array(self._maker.axis)}
        return {"counts": self.counts, **settings}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The histogram that `arrays` were taken of."""
        channels, bins = arrays["counts"].shape
        made = cls(channels, int(arrays["axis"]), bins=bins)
        made.counts, made._exponent = np.array(arrays["counts"]), int(arrays["exponent"])
        return made

    def _add(self, rows: Array) -> None:
        channels, bins = self.counts.shape
        largest = float(np.abs(rows).max(initial=0.0))
        if largest > 0:
            self._widen(int(np.frexp(largest / (bins // 2))[1]))
        places = np.floor(np.ldexp(rows, -self._exponent)).astype(np.int64) + bins // 2
        flat = (places + np.arange(channels) * bins).reshape(-1)
        self.counts += np.bincount(flat, minlength=channels * bins).reshape(channels, bins)

    def _widen(self, exponent: int) -> None:
        if exponent > self._exponent:
            self.counts = _coarser(self.counts, exponent - self._exponent)
            self._exponent = exponent


def _coarser(counts: NDArray[np.int64], doublings: int) -> NDArray[np.int64]:
    """The counts in bins twice as wide, so many times."""
    half = counts.shape[1] // 2
    places = (np.arange(-half, half) >> min(doublings, 62)) + half
    wider = np.zeros_like(counts)
    for old, new in enumerate(places):
        wider[:, new] += counts[:, old]
    return wider

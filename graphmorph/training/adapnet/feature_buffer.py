"""The feature maps of a layer that are kept during an LSEP (AdapNet, section 3.1, equation 3).

Equation 3 keeps all: batches of an LSEP x filters x samples of a batch. With a bound, every filter keeps as many, drawn
by a hash of the seed, the number of the sample and the filter: the smallest hashes stay. Whoever sees the samples, in
whatever batches, keeps the same maps, so that workers of one run agree, and so does a run that was resumed.

A map of zeros is not kept: it has no direction, lies in every subspace, and its filter did not fire.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from graphmorph.errors import UsageError
from graphmorph.training.adapnet.state import State

Keys = NDArray[np.uint64]


class FeatureBuffer:
    """Feature maps of one layer.

    Args:
        filters: how many the layer has.
        points: about how many maps are kept, the same number (at least one) of each filter; None for all.
        side: maps are averaged down to this height and width where they are larger; None to leave them.
        seed: of the layer.
    """

    def __init__(self, filters: int, *, points: int | None = None, side: int | None = None, seed: int = 0) -> None:
        self.filters = filters
        self._quota = None if points is None else max(1, points // filters)
        self._side, self._seed = side, seed
        self._keys: list[Keys] = []
        self._owners: list[NDArray[np.int64]] = []
        self._maps: list[NDArray[np.float32]] = []

    def add(self, maps: NDArray[Any], first_sample: int) -> None:
        """Keep what is to be kept of a batch.

        maps: (samples, filters, height, width). first_sample: the number of the first in the run; the others follow.

        Raises:
            UsageError: another number of filters or axes, or numbers that are not finite.
        """
        if maps.ndim != 4 or maps.shape[1] != self.filters:
            raise UsageError(f"feature maps of shape {maps.shape}: (samples, {self.filters}, height, width) is needed")
        if not np.isfinite(maps).all():
            raise UsageError("feature maps hold numbers that are not finite")
        samples, owners = np.nonzero(maps.any(axis=(2, 3)))
        keys = _hashes(self._seed, samples + first_sample, owners)
        stays = self._staying(keys, owners)
        chosen = maps[samples[stays], owners[stays]].astype(np.float32)
        self._append(keys[stays], owners[stays].astype(np.int64), _averaged(chosen, self._side))

    def merge(self, other: FeatureBuffer) -> None:
        """Keep of two buffers, of different samples, what one that saw all of them had kept.

        Raises:
            UsageError: the other is of another layer.
        """
        if other.filters != self.filters:
            raise UsageError(f"buffers of {self.filters} and {other.filters} filters do not add up")
        for keys, owners, maps in zip(other._keys, other._owners, other._maps, strict=True):
            stays = self._staying(keys, owners)
            self._append(keys[stays], owners[stays], maps[stays])

    def content(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(maps,) which filter each is of, and (maps, height, width): by filter, and within one by hash."""
        self._compact()
        if not self._keys:
            return np.zeros(0, np.int64), np.zeros((0, 1, 1), np.float32)
        return self._owners[0], self._maps[0]

    def clear(self, filters: int) -> None:
        """Forget all maps: another LSEP begins, of a layer that now has so many filters."""
        self.filters = filters
        self._keys, self._owners, self._maps = [], [], []

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything but the settings; `restore` takes it."""
        self._compact()
        state: dict[str, NDArray[Any]] = {"filters": np.array(self.filters)}
        if self._keys:
            state |= {"keys": self._keys[0], "owners": self._owners[0], "maps": self._maps[0]}
        return state

    def restore(self, state: State) -> Self:
        """Go on from a state."""
        self.clear(int(state["filters"]))
        if "keys" in state:
            self._append(state["keys"].copy(), state["owners"].copy(), state["maps"].copy())
        return self

    def _staying(self, keys: Keys, owners: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of new maps are among the first of their filter, those that are kept already included."""
        if self._quota is None:
            return np.ones(keys.size, np.bool_)
        every = np.concatenate([keys, *self._keys])
        return _first(every, np.concatenate([owners, *self._owners]), self._quota)[: keys.size]

    def _append(self, keys: Keys, owners: NDArray[np.int64], maps: NDArray[np.float32]) -> None:
        if self._maps and self._maps[0].shape[1:] != maps.shape[1:] and maps.size:
            raise UsageError(f"feature maps of {maps.shape[1:]} after some of {self._maps[0].shape[1:]}")
        if keys.size:
            self._keys.append(keys)
            self._owners.append(owners)
            self._maps.append(maps)
            if self._quota is not None:
                self._compact()

    def _compact(self) -> None:
        """One array of each kind, in order, with no more than the quota."""
        if not self._keys:
            return
        keys, owners, maps = np.concatenate(self._keys), np.concatenate(self._owners), np.concatenate(self._maps)
        order = np.lexsort((keys, owners))
        if self._quota is not None:
            order = order[_first(keys, owners, self._quota)[order]]
        self._keys, self._owners, self._maps = [keys[order]], [owners[order]], [maps[order]]


def _first(keys: Keys, owners: NDArray[np.int64], quota: int) -> NDArray[np.bool_]:
    """Which keys are among the `quota` smallest of their owner."""
    order = np.lexsort((keys, owners))
    begins = np.searchsorted(owners[order], owners[order], side="left")
    chosen = np.zeros(keys.size, np.bool_)
    chosen[order] = np.arange(keys.size) - begins < quota
    return chosen


def _hashes(seed: int, samples: NDArray[np.int64], owners: NDArray[np.int64]) -> Keys:
    """(maps,) by SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014)."""
    mixed = _mixed(np.full(samples.size, seed, np.uint64))
    return _mixed(_mixed(mixed ^ samples.astype(np.uint64)) ^ owners.astype(np.uint64))


def _mixed(values: Keys) -> Keys:
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Keys = values ^ (values >> np.uint64(31))
    return mixed


def _averaged(maps: NDArray[np.float32], side: int | None) -> NDArray[np.float32]:
    """(maps, height, width) at most `side` high and wide: means over blocks of almost equal size."""
    for axis in (1, 2):
        size = maps.shape[axis]
        if side is not None and size > side:
            begins = np.arange(side) * size // side
            shape = [1, 1, 1]
            shape[axis] = side
            maps = np.add.reduceat(maps, begins, axis=axis) / np.diff(begins, append=size).reshape(shape)
    return maps.astype(np.float32)

"""CompNet's algorithms 1 to 3 on captured sums: which channels stay, and the next layer's weights for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from graphmorph.errors import RefusedError, UsageError
from graphmorph.layer_insertion import compact_inputs, compact_outputs
from graphmorph.layer_insertion.initialisation import initial_weight
from graphmorph.layer_insertion.new_layer import FirstHalf, NewLayer
from graphmorph.layer_insertion.outgoing_weights import Fit, Sums, fitted, sums_of
from graphmorph.layer_insertion.settings import LayerSettings
from graphmorph.layer_insertion.sums import Source
from graphmorph.regression.iilasso import Problem
from graphmorph.regression.selection import Selection, select_from

Indices = NDArray[np.int64]

#: Rows for each column of a fit, below which it may fit the sample rather than the network.
_ENOUGH_ROWS = 3

#: Where a share is to be explained, a layer begins with up to so many times the channels that it reads.
_MOST_TIMES = 16


def compact_layer(source: Source, settings: LayerSettings, kernel: tuple[int, ...]) -> NewLayer:
    """A layer by one of CompNet's algorithms. Where a share is to be explained and nobody said by how many channels at
    first, twice as many are tried as long as they do not."""
    channels = settings.channels or 2 * source.place.channels
    while True:
        try:
            return _Compact(source, replace(settings, channels=channels), kernel).layer()
        except _TooFewError as error:
            if settings.channels or channels >= _MOST_TIMES * source.place.channels:
                raise RefusedError(str(error)) from None
            channels *= 2


class _TooFewError(Exception):
    """All channels together explain less than was asked for."""


class _Compact:
    """CompNet's algorithms 1 to 3."""

    def __init__(self, source: Source, settings: LayerSettings, kernel: tuple[int, ...]) -> None:
        self.source, self.settings, self.kernel, self.place = source, settings, kernel, source.place
        channels = settings.channels
        shape = (channels, self.place.channels, *kernel)
        weight = initial_weight(shape, settings.activation, settings.initialisation, settings.seed, settings.slope)
        self.first = FirstHalf(weight, np.zeros(channels), settings.activation, settings.slope)
        if settings.survivors is not None and settings.survivors > channels:
            raise UsageError(f"survivors is {settings.survivors}, but there are {channels} channels at first")

    def layer(self) -> NewLayer:
        settings, whole = self.settings, None
        if settings.algorithm == "compnet-3" or settings.explained is not None:
            whole = self._sums(self.first)
        if settings.explained is not None and whole is not None:
            chosen = self._smallest(whole, settings.explained)
        else:
            chosen = self._survivors(whole)
        if not chosen.kept.size:
            raise RefusedError(f"a penalty of {settings.penalty:g} leaves no channel that varies: lower it")
        first = self.first.taken(chosen.kept)
        fit = fitted(self._sums(first), settings.ridge) if whole is None else self._fit(whole, chosen)
        return NewLayer(
            first,
            fit.weight,
            fit.bias if self.place.next_layer.takes_bias else None,
            self.first.channels,
            fit.explained,
            chosen.penalty,
            self.rows,
            (*_warnings(self.rows, len(fit.weight)), *self._counted(first.channels)),
        )

    def _counted(self, left: int) -> tuple[str, ...]:
        """What is to be said of how many channels are left."""
        settings, redundant = self.settings, self.first.channels
        if settings.survivors is not None and left < settings.survivors:
            return (f"{left} channels are left, not {settings.survivors}: the others are copies, or never vary",)
        if left == redundant and settings.survivors is None and settings.explained is None:
            return (
                f"{settings.algorithm} kept all {redundant} channels at a penalty of {settings.penalty:g} and an alpha "
                f"of {settings.alpha:g}: say with --survivors how many stay, or with --explained how much of the next "
                "layer's outputs they are to give again",
            )
        return ()

    def _sums(self, first: FirstHalf) -> Sums:
        pairs = self.source.pairs(first)
        self.rows = pairs.inputs.count
        return sums_of(pairs, intercept=self.place.next_layer.takes_bias)

    def _survivors(self, whole: Sums | None) -> Selection:
        """The channels that a wanted number, or the penalty, leaves."""
        settings = self.settings
        if settings.survivors is not None:
            return self._path(whole)(settings.survivors)
        if whole is not None:
            return compact_outputs.survivors(
                whole, self.first.channels, settings.ridge, settings.alpha, settings.penalty
            )
        find = compact_inputs.minimised if settings.algorithm == "compnet-1" else compact_inputs.faded
        return find(self._columns_of_inputs(), settings.penalty)

    def _path(self, whole: Sums | None) -> Callable[[int], Selection]:
        """The survivors for each wanted number."""
        settings = self.settings
        if settings.algorithm == "compnet-3":
            assert whole is not None
            of_outputs = compact_outputs.of_one_length(whole, self.first.channels, settings.ridge, settings.alpha)
            return partial(select_from, of_outputs)
        of_inputs = self._columns_of_inputs()
        if settings.algorithm == "compnet-1":
            return partial(compact_inputs.minimised_to, of_inputs, penalty=settings.penalty)
        return partial(compact_inputs.faded_to, of_inputs)

    def _columns_of_inputs(self) -> Problem:
        covariance = self.source.inputs(self.kernel).covariance
        return compact_inputs.standardised(self.first.weight, covariance, self.settings.alpha)

    def _smallest(self, whole: Sums, wanted: float) -> Selection:
        """The fewest channels that explain what was asked for, after refitting, by bisection."""
        path = self._path(whole)
        low, high = 0, self.first.channels
        best = path(high)
        reached = _mean(self._fit(whole, best))
        if reached < wanted:
            raise _TooFewError(
                f"all {high} channels explain {reached:.4f} of the next layer's outputs, less than {wanted:g}: start "
                "with more channels, or ask for less"
            )
        while high - low > 1:
            middle = (low + high) // 2
            chosen = path(middle)
            if _mean(self._fit(whole, chosen)) >= wanted:
                best, high = chosen, middle
            else:
                low = middle
        return best

    def _fit(self, whole: Sums, chosen: Selection) -> Fit:
        return fitted(whole, self.settings.ridge, self._columns(chosen.kept, whole))

    def _columns(self, kept: Indices, sums: Sums) -> Indices:
        """Columns of the sums that belong to some channels."""
        each = len(sums.gram) // self.first.channels
        return np.asarray((kept[:, None] * each + np.arange(each)).reshape(-1), np.int64)


def _mean(fit: Fit) -> float:
    return float(np.mean(fit.explained))


def _warnings(rows: int, columns: int) -> tuple[str, ...]:
    if rows >= _ENOUGH_ROWS * columns:
        return ()
    return (
        f"{columns} columns were fitted to {rows} rows: the share explained may hold for these alone; give more data, "
        "or more positions of each sample",
    )

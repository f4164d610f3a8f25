"""What is to be summed over a run, and sums in the making: how many columns they have, the first batch tells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from graphmorph.activations.moments import CrossMoments, Moments
from graphmorph.activations.row_stream import RowStream
from graphmorph.activations.rows import ChannelRows, RowMaker, Sampling
from graphmorph.errors import UsageError

#: A tensor, for its moments; or two, for the cross moments of their rows.
Key = str | tuple[str, str]

#: Tensors by name; where the columns are not the channels of axis 1, with what makes their rows.
Tensors = Sequence[Key] | Mapping[Key, RowMaker | tuple[RowMaker, RowMaker]]

SumsByTensor = dict[Key, Moments | CrossMoments]

#: A Gram matrix of more columns than this (2 GiB) is refused.
WIDEST = 1 << 14


@dataclass(frozen=True)
class Watch:
    """One key of `Tensors`: its makers, one or two, whether there is a Gram matrix, and which positions count."""

    key: Key
    makers: tuple[RowMaker, ...]
    gram: bool
    sampling: Sampling | None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.key,) if isinstance(self.key, str) else self.key


def watches_of(tensors: Tensors, *, gram: bool, sampling: Sampling | None) -> tuple[Watch, ...]:
    """The keys with their makers.

    Raises:
        UsageError: none, or not a maker for each tensor.
    """
    if isinstance(tensors, str) or not tensors:
        raise UsageError("capture: give the tensors to listen to as a list of names, or a dict")
    watches = []
    for key in tensors:
        wanted = 1 if isinstance(key, str) else len(key)
        given = tensors[key] if isinstance(tensors, Mapping) else (ChannelRows(),) * wanted
        makers = given if isinstance(given, tuple) else (given,)
        if wanted > 2 or len(makers) != wanted:
            raise UsageError(f"capture: {key}: sums are over one tensor or two, each with what makes its rows")
        watches.append(Watch(key, makers, gram, sampling))
    return tuple(watches)


class Watching:
    """Takes the batches of one watch.

    Args:
        first_sample: how many samples of the data came before, in other hands. Where it is not 0, `update` is given
            the batch of an input of the model before the tensors: a sample may be several rows of a tensor.
    """

    def __init__(self, watch: Watch, first_sample: int = 0) -> None:
        self._watch, self._first_sample = watch, first_sample
        self._stream: RowStream | None = None

    @property
    def sums(self) -> Moments | CrossMoments:
        """What was seen.

        Raises:
            UsageError: there was no batch.
        """
        if self._stream is None:
            raise UsageError("there is no sample in the data")
        return self._stream.sums

    def update(self, *arrays: NDArray[Any]) -> None:
        """Add one batch.

        Raises:
            UsageError: as for `RowStream`; a Gram matrix that is too large; samples that cannot be numbered.
        """
        activations = arrays[1:] if self._first_sample else arrays
        if self._stream is None:
            columns = [_columns(array, maker) for array, maker in zip(activations, self._watch.makers, strict=True)]
            first = self._first_row(arrays[0], activations[0]) if self._first_sample else 0
            sums = _empty(self._watch, columns)
            self._stream = RowStream(sums, self._watch.makers, sampling=self._watch.sampling, first_sample=first)
        self._stream.update(*activations)

    def _first_row(self, given: NDArray[Any], activation: NDArray[Any]) -> int:
        rows = len(self._watch.makers[0].view(activation))
        each, rest = divmod(rows, len(given))
        if rest:
            raise UsageError(
                f"{rows} rows of samples for a batch of {len(given)}: which one is whose is not known, so that several "
                "workers cannot draw the same positions as one: capture all positions, or with one worker"
            )
        return self._first_sample * each


def _empty(watch: Watch, columns: Sequence[int]) -> Moments | CrossMoments:
    if columns[0] > WIDEST and (watch.gram or len(columns) == 2):
        size = 8 * columns[0] ** 2 / (1 << 30)
        raise UsageError(f"a Gram matrix of {columns[0]} columns takes {size:.0f} GiB: leave it out with gram=False")
    return Moments(columns[0], gram=watch.gram) if len(columns) == 1 else CrossMoments(*columns)


def _columns(activation: NDArray[Any], maker: RowMaker) -> int:
    view = maker.view(activation)
    return math.prod(view.shape[view.ndim - maker.column_axes :])

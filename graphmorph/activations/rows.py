"""From an activation tensor to rows: a row for each position of each sample, for channels or for a kernel's patches.

The first axis of a tensor is the samples (but where the channels are first, it is one sample); positions are all its
other axes, numbered in C order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from graphmorph.errors import UsageError

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

#: How many numbers a block of rows holds, about.
_BLOCK = 1 << 21


class RowMaker(Protocol):
    """Makes rows (rows, columns) of a tensor."""

    def view(self, activation: NDArray[Any]) -> NDArray[Any]:
        """The tensor as (samples, *positions, *columns), without copying more than a padding."""
        ...

    @property
    def column_axes(self) -> int:
        """How many of the last axes of `view` are columns."""
        ...


@dataclass(frozen=True)
class ChannelRows:
    """Columns are the channels: `axis` 1 of (N, C, *spatial), -1 of (N, tokens, C)."""

    axis: int = 1
    column_axes: int = 1

    def view(self, activation: NDArray[Any]) -> NDArray[Any]:
        if not -activation.ndim <= self.axis < activation.ndim:
            raise UsageError(f"a tensor of shape {activation.shape} has no axis {self.axis} to be the channels")
        if self.axis % activation.ndim == 0:
            activation, axis = activation[None], 1
        else:
            axis = self.axis % activation.ndim
        return np.moveaxis(activation, axis, -1)


@dataclass(frozen=True)
class PatchRows:
    """Columns are what one position of a convolution reads of (N, C, *spatial): (channels, *kernel), as in its weight.

    The attributes are those of ONNX's Conv (version 11): pads are all begins, then all ends. Positions are those of the
    convolution's output, so that rows of both can be paired. channels: (start, stop), for one group of a grouped
    convolution; None for all.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()
    dilations: tuple[int, ...] = ()
    channels: tuple[int, int] | None = None

    @property
    def column_axes(self) -> int:
        return 1 + len(self.kernel)

    def view(self, activation: NDArray[Any]) -> NDArray[Any]:
        rank = len(self.kernel)
        if activation.ndim != rank + 2:
            raise UsageError(f"a kernel {self.kernel} does not fit an activation of shape {activation.shape}")
        if self.channels is not None:
            activation = activation[:, slice(*self.channels)]
        if any(self.pads):
            widths = list(zip(self.pads[:rank], self.pads[rank:], strict=True))
            activation = np.pad(activation, [(0, 0), (0, 0), *widths])
        dilations = self.dilations or (1,) * rank
        spans = tuple((size - 1) * step + 1 for size, step in zip(self.kernel, dilations, strict=True))
        if any(span > size for span, size in zip(spans, activation.shape[2:], strict=True)):
            raise UsageError(f"a kernel {self.kernel} is larger than the activation of shape {activation.shape}")
        windows = np.lib.stride_tricks.sliding_window_view(activation, spans, axis=tuple(range(2, 2 + rank)))
        strides = self.strides or (1,) * rank
        every: tuple[Any, ...] = (..., *(slice(None, None, step) for step in (*strides, *dilations)))
        return np.moveaxis(windows[every], 1, 1 + rank)


@dataclass(frozen=True)
class Sampling:
    """Which positions of each sample become rows: `count` of them, drawn from a seed, or all where there are fewer.

    The draw depends on the seed and on the sample's number alone, not on how samples are batched.
    """

    count: int
    seed: int = 0

    def positions(self, sample: int, available: int) -> Indices:
        """(at most `count`,) positions of one sample, ascending."""
        if available <= self.count:
            return np.arange(available)
        drawn = np.random.default_rng([self.seed, sample]).choice(available, self.count, replace=False)
        return np.sort(drawn)


def all_rows(views: Sequence[NDArray[Any]], makers: Sequence[RowMaker]) -> Iterator[list[Array]]:
    """Rows of every position of every sample, of several tensors side by side, in blocks of bounded size."""
    samples, sizes = views[0].shape[0], _sizes(views[0], makers[0])
    columns = sum(math.prod(_columns(view, maker)) for view, maker in zip(views, makers, strict=True))
    per_sample = max(math.prod(sizes) * columns, 1)
    at_once = max(_BLOCK // per_sample, 1)
    parts = math.ceil(per_sample / _BLOCK) if sizes else 1  # of one sample, where even that is too much
    lines = math.ceil(sizes[0] / parts) if sizes else 0
    for start in range(0, samples, at_once):
        chosen = [view[start : start + at_once] for view in views]
        for line in range(0, sizes[0], lines) if sizes and lines else (0,):
            part = [view[:, line : line + lines] if sizes else view for view in chosen]
            yield [_flat(view, maker) for view, maker in zip(part, makers, strict=True)]


def sampled_rows(
    views: Sequence[NDArray[Any]], makers: Sequence[RowMaker], sampling: Sampling, first: int
) -> Iterator[list[Array]]:
    """Rows of the sampled positions, of several tensors side by side, in blocks of bounded size.

    first: the number of the first sample.
    """
    samples, sizes = views[0].shape[0], _sizes(views[0], makers[0])
    drawn = [sampling.positions(first + index, math.prod(sizes)) for index in range(samples)]
    columns = sum(math.prod(_columns(view, maker)) for view, maker in zip(views, makers, strict=True))
    at_once = max(_BLOCK // max(columns * sampling.count, 1), 1)
    for start in range(0, samples, at_once):
        part = drawn[start : start + at_once]
        index = np.repeat(np.arange(start, start + len(part)), [len(one) for one in part])
        places = np.unravel_index(np.concatenate(part), sizes) if sizes else ()
        taken = [view[(index, *places)] for view in views]
        yield [one.astype(np.float64).reshape(len(index), -1) for one in taken]


def _sizes(view: NDArray[Any], maker: RowMaker) -> tuple[int, ...]:
    return view.shape[1 : view.ndim - maker.column_axes]


def _columns(view: NDArray[Any], maker: RowMaker) -> tuple[int, ...]:
    return view.shape[view.ndim - maker.column_axes :]


def _flat(view: NDArray[Any], maker: RowMaker) -> Array:
    return view.astype(np.float64, order="C").reshape(-1, math.prod(_columns(view, maker)))

"""What is known of one tensor: constants, bounds and value numbers of its elements along some of its axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Numbers = NDArray[np.int64]

#: A fact that would tell more elements apart than this is coarsened (2 MiB of arrays).
LIMIT = 1 << 16


@dataclass(frozen=True)
class Outline:
    """A tensor as such: its sizes in one run, which axes differ between runs, its element type as ONNX numbers it."""

    sizes: tuple[int, ...]
    free: frozenset[int] = frozenset()
    dtype: int | None = None

    @property
    def rank(self) -> int:
        return len(self.sizes)

    def retyped(self, dtype: int | None) -> Outline:
        return Outline(self.sizes, self.free, dtype)


@dataclass(frozen=True, eq=False)
class Fact:
    """Facts about a tensor. All arrays have one shape, the extents: along an axis 1 (not told apart) or its size.

    A slice is what is left of the tensor at one place of the axes that are told apart. constant: the value of the whole
    slice, NaN where it depends on the input. low, high: no element of the slice is outside. number: slices with
    the same number are equal, element for element in row-major order, and so is their shape but for axes of size 1;
    in one tensor or in two.
    """

    outline: Outline
    constant: Float64
    low: Float64
    high: Float64
    number: Numbers

    @property
    def sizes(self) -> tuple[int, ...]:
        return self.outline.sizes

    @property
    def free(self) -> frozenset[int]:
        return self.outline.free

    @property
    def dtype(self) -> int | None:
        return self.outline.dtype

    @property
    def rank(self) -> int:
        return self.outline.rank

    @property
    def extents(self) -> tuple[int, ...]:
        return self.number.shape

    def told_apart(self, axis: int) -> bool:
        return int(self.number.shape[axis]) > 1

    def in_slice(self, axis: int) -> bool:
        """Whether slices run along the axis."""
        return not self.told_apart(axis) and (self.sizes[axis] != 1 or axis in self.free)

    @property
    def slice_shape(self) -> tuple[int, ...]:
        """Sizes of a slice along every axis: 1 where elements are told apart, negative where the axis is free."""
        return tuple(
            1 if not self.in_slice(axis) else -size if axis in self.free else size
            for axis, size in enumerate(self.sizes)
        )

    def retyped(self, dtype: int | None) -> Fact:
        return replace(self, outline=self.outline.retyped(dtype))

    def lifted(self, rank: int) -> Fact:
        """With axes of size 1 in front, as broadcasting has it."""
        more = rank - self.rank
        if not more:
            return self
        outline = Outline((1,) * more + self.sizes, frozenset(a + more for a in self.free), self.dtype)
        extents = (1,) * more + self.extents
        return self.reshaped(outline, extents)

    def mapped(self, outline: Outline, move: Callable[[NDArray[Any]], NDArray[Any]]) -> Fact:
        """Another tensor, that holds the same slices elsewhere."""
        return Fact(outline, move(self.constant), move(self.low), move(self.high), move(self.number))

    def numbered(self, number: Numbers) -> Fact:
        """The same values, which are another function of the input."""
        return replace(self, number=number)

    def reshaped(self, outline: Outline, extents: tuple[int, ...]) -> Fact:
        """The same arrays in another shape."""
        return self.mapped(outline, lambda array: array.reshape(extents))

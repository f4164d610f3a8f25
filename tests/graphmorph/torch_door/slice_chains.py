"""Slices of constants one after the other, and what numpy makes of them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from graphmorph.journal import NEW, Slice


@st.composite
def chains(draw: st.DrawFn) -> tuple[tuple[int, ...], list[Slice]]:
    """A shape, and slices one after the other; entries may repeat, go, or be new, and axes may come twice."""
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple))
    sizes, slices = list(shape), []
    for _ in range(draw(st.integers(0, 5))):
        axis = draw(st.integers(0, len(shape) - 1))
        entries = draw(st.lists(st.integers(NEW, sizes[axis] - 1), min_size=1, max_size=6))
        slices.append(Slice(axis, tuple(entries)))
        sizes[axis] = len(entries)
    return shape, slices


def by_numpy(array: np.ndarray, slices: list[Slice]) -> np.ndarray:
    """A zero stands behind every axis for what is new: index -1."""
    for one in slices:
        padding = [(0, int(axis == one.axis)) for axis in range(array.ndim)]
        array = np.pad(array, padding).take(one.taken, axis=one.axis)
    return array


def counted(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)

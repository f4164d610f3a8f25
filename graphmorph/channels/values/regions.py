"""Blocks of a tensor that ScatterND writes, and what can still be seen of what was there before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.values.fact import LIMIT, Fact, Outline
from graphmorph.channels.values.padding import pads_of, value_of
from graphmorph.channels.values.view import View

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Region:
    """Along each of the first axes of a tensor, the places that are written; along the others all are."""

    places: tuple[NDArray[np.int64], ...]
    sizes: tuple[int, ...]

    @cached_property
    def partial(self) -> frozenset[int]:
        """Axes along which not every place is written in order."""
        found = enumerate(zip(self.places, self.sizes, strict=False))
        return frozenset(a for a, (taken, size) in found if not np.array_equal(taken, np.arange(size)))

    @property
    def key(self) -> tuple[tuple[int, bytes], ...]:
        return tuple((axis, self.places[axis].tobytes()) for axis in sorted(self.partial))

    def flags(self) -> Flags:
        """What is written; of size 1 along axes along which everything is."""
        return _block(self.sizes, {axis: self.places[axis] for axis in self.partial})


@dataclass(frozen=True, eq=False)
class Layer:
    """What a part of a tensor holds. flags: where. partial: the axes along which that is a part."""

    fact: Fact
    flags: Flags
    partial: frozenset[int]
    is_constant: bool = False


def _block(sizes: tuple[int, ...], places: dict[int, NDArray[np.int64]]) -> Flags:
    flags: Flags = np.ones((1,) * len(sizes), np.bool_)
    for axis, taken in places.items():
        along = np.zeros(sizes[axis], np.bool_)
        along[taken] = True
        flags = flags & along.reshape([-1 if a == axis else 1 for a in range(len(sizes))])
    return flags


def region_of(view: View) -> Region:
    """What a ScatterND writes.

    Raises:
        LookupError: it adds to what is there, its indices are not constant, or they span no block that is the same in
            every run.
    """
    if view.attribute("reduction", "none") not in ("none", b"none"):
        raise LookupError("it does not write, but adds")
    x, indices = view.outline(0), view.array(1)
    count = int(indices.shape[-1])
    if indices.ndim != count + 1 or not indices.size or any(axis in x.free for axis in range(count)):
        raise LookupError("the indices span no block")
    places = []
    for axis in range(count):
        along = np.moveaxis(indices[..., axis], axis, -1) % x.sizes[axis]
        taken = along.reshape(-1, along.shape[-1])[0]
        if np.any(along != taken) or np.unique(taken).size != taken.size:
            raise LookupError("the indices span no block")
        places.append(taken)
    return Region(tuple(places), x.sizes)


def visible(view: View) -> list[Layer]:
    """The layers that can be seen in what a ScatterND gives: its own, those of writes before it, and what these began
    with, be it padded with a constant.

    Raises:
        LookupError: there are too many places to look at.
    """
    found: list[Layer] = []
    covered: Flags = np.zeros((), np.bool_)
    for layer in _layers(view):
        if np.any(layer.flags & ~covered):
            found.append(layer)
        covered = covered | layer.flags
        if covered.size > LIMIT:
            raise LookupError("the block has too many places")
    return found


def _layers(view: View) -> Iterator[Layer]:
    """From the top down."""
    region: Region | None = region_of(view)
    while region is not None:
        fixed = view.is_constant(2)
        fact = view.of_constant(view.array(2)) if fixed else view.fact(2)
        yield Layer(fact, region.flags(), region.partial, fixed)
        before = view.producer(0)
        region = None if before is None else _region_before(before)
        view = view if before is None or region is None else before
    bottom = view.producer(0)
    border = None if bottom is None or bottom.node.op != "Pad" else _padded(bottom)
    if border is None:
        yield Layer(view.fact(0), np.ones((), np.bool_), frozenset())
    else:
        yield from border


def _region_before(view: View) -> Region | None:
    try:
        return region_of(view) if view.node.op == "ScatterND" else None
    except LookupError:
        return None


def _padded(view: View) -> list[Layer] | None:
    """What is inside of a constant border, and the border; None where sizes differ between runs."""
    inside, sizes = view.fact(0), view.output_outline().sizes
    pads = pads_of(view, inside.rank)
    partial = frozenset(axis for axis, pair in enumerate(pads) if pair != (0, 0))
    crops = min((n for pair in pads for n in pair), default=0) < 0
    if view.attribute("mode", "constant") != "constant" or crops or partial & inside.free:
        return None
    flags = _block(sizes, {axis: np.arange(pads[axis][0], sizes[axis] - pads[axis][1]) for axis in partial})
    return [
        Layer(inside, flags, partial),
        Layer(_filled(view, inside, value_of(view)), ~flags, partial),
    ]


def _filled(view: View, like: Fact, value: float) -> Fact:
    ones = np.ones((1,) * like.rank)
    number = view.numbering.of_constants(value * ones)
    return Fact(Outline((1,) * like.rank, frozenset(), like.dtype), value * ones, value * ones, value * ones, number)

"""How axes are cut and merged: blocks of axes of equal product, and the factors that both sides have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np

from graphmorph.channels.elements import Ids


@dataclass(frozen=True)
class Span:
    """An axis that is the product of the factors from `first` up to `last`, which is not part of it."""

    axis: int
    first: int
    last: int

    def factors(self) -> range:
        return range(self.first, self.last)


@dataclass(frozen=True)
class Block:
    """Axes of the input that become axes of the output. factors: sizes, empty where there are no common ones."""

    factors: tuple[int, ...]
    inputs: tuple[Span, ...]
    outputs: tuple[Span, ...]

    def size(self, span: Span) -> int:
        return prod(self.factors[span.first : span.last])

    def along(self, ids: Ids, span: Span, factor: int) -> Ids:
        """The ids of an axis by the index of one of its factors: (size of the factor, all others)."""
        sizes = self.factors[span.first : span.last]
        moved = np.moveaxis(ids.reshape(sizes), factor - span.first, 0)
        return np.ascontiguousarray(moved.reshape(sizes[factor - span.first], -1))

    def spread(self, ids: Ids, span: Span, factor: int) -> Ids:
        """The ids of a factor, repeated over an axis that has it."""
        before = prod(self.factors[span.first : factor])
        after = prod(self.factors[factor + 1 : span.last])
        return ids if before == after == 1 else np.tile(np.repeat(ids, after), before)


def aligned(given: Sequence[int], wanted: Sequence[int]) -> list[Block] | None:
    """Blocks of a reshape, in order, without axes of size 1; None where the sizes do not fit each other."""
    if prod(given) != prod(wanted) or 0 in given:
        return None
    left = [(axis, size) for axis, size in enumerate(given) if size != 1]
    right = [(axis, size) for axis, size in enumerate(wanted) if size != 1]
    blocks = []
    while left:
        ins, outs = [left.pop(0)], [right.pop(0)]
        while (i := _product(ins)) != (o := _product(outs)):
            if i < o:
                ins.append(left.pop(0))
            else:
                outs.append(right.pop(0))
        blocks.append(_block(ins, outs))
    return blocks


def _product(axes: list[tuple[int, int]]) -> int:
    return prod(size for _, size in axes)


def _block(ins: list[tuple[int, int]], outs: list[tuple[int, int]]) -> Block:
    places = sorted(set(_cumulative(ins)) | set(_cumulative(outs)))
    common = all(after % before == 0 for before, after in pairwise(places))
    factors = tuple(after // before for before, after in pairwise(places)) if common else ()
    return Block(factors, _spans(ins, places), _spans(outs, places))


def _cumulative(axes: list[tuple[int, int]]) -> list[int]:
    """Products of the leading sizes, from 1 on. The first axis varies slowest, so a factor is a quotient of these."""
    places = [1]
    for _, size in axes:
        places.append(places[-1] * size)
    return places


def _spans(axes: list[tuple[int, int]], places: list[int]) -> tuple[Span, ...]:
    ends = _cumulative(axes)
    pairs = zip(axes, pairwise(ends), strict=True)
    return tuple(Span(axis, places.index(first), places.index(last)) for (axis, _), (first, last) in pairs)

"""How the axes of a reshaped tensor correspond: blocks of axes that hold the same elements in the same order."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import prod
from operator import mul

from graphmorph.channels.values.fact import Outline


@dataclass(frozen=True)
class Block:
    """Neighbouring axes before and after. factors: sizes whose products both are made of; None where there are none,
    or where sizes differ between runs."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    factors: tuple[int, ...] | None


def blocks_of(before: Outline, after: Outline) -> list[Block]:
    """The smallest blocks that correspond in every run.

    Raises:
        LookupError: the numbers of elements differ.
    """
    if prod(before.sizes) != prod(after.sizes) or not prod(before.sizes):
        raise LookupError("the numbers of elements differ")
    found: list[Block] = []
    start = (0, 0)
    for end in _boundaries(before, after):
        ours, theirs = tuple(range(start[0], end[0])), tuple(range(start[1], end[1]))
        found.append(Block(ours, theirs, _factors(before, ours, after, theirs)))
        start = end
    return found


def _boundaries(before: Outline, after: Outline) -> list[tuple[int, int]]:
    """Numbers of axes in front of each boundary, before and after; the last one is behind all axes."""
    found: list[tuple[int, int]] = []
    i = j = 0
    ours = theirs = 1
    while i < before.rank or j < after.rank:
        if j == after.rank or (i < before.rank and ours <= theirs):
            ours, i = ours * before.sizes[i], i + 1
        else:
            theirs, j = theirs * after.sizes[j], j + 1
        last = found[-1] if found else (0, 0)
        if ours == theirs and i > last[0] and j > last[1] and _holds(before, i, after, j):
            found.append((i, j))
    if found and found[-1] != (before.rank, after.rank):
        found[-1] = (before.rank, after.rank)
    return found or [(before.rank, after.rank)]


def _holds(before: Outline, i: int, after: Outline, j: int) -> bool:
    """Whether a boundary is one in every run: free sizes lie on one side of it, or one side is the same axis by axis
    and the other has free sizes before and after, if any."""
    front = _axes(before, 0, i), _axes(after, 0, j)
    back = _axes(before, i, before.rank), _axes(after, j, after.rank)
    fixed = [not any(free for _, free in one + other) for one, other in (front, back)]
    alike = all(any(free for _, free in one) == any(free for _, free in other) for one, other in (front, back))
    return any(fixed) or (alike and any(one == other for one, other in (front, back)))


def _axes(outline: Outline, start: int, end: int) -> list[tuple[int, bool]]:
    free = outline.free
    return [(outline.sizes[a], a in free) for a in range(start, end) if outline.sizes[a] != 1 or a in free]


def _factors(before: Outline, ours: tuple[int, ...], after: Outline, theirs: tuple[int, ...]) -> tuple[int, ...] | None:
    if any(axis in before.free for axis in ours) or any(axis in after.free for axis in theirs):
        return None
    products = {
        1,
        *accumulate((before.sizes[a] for a in ours), mul),
        *accumulate((after.sizes[a] for a in theirs), mul),
    }
    steps = list(pairwise(sorted(products)))
    return (
        tuple(large // small for small, large in steps) if all(large % small == 0 for small, large in steps) else None
    )


def parts(size: int, factors: tuple[int, ...], start: int) -> int:
    """How many factors, from one on, make an axis."""
    count, made = 0, 1
    while made < size:
        made, count = made * factors[start + count], count + 1
    return count

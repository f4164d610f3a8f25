"""Reshape and Flatten, on the common factors of the sizes before and after."""

from __future__ import annotations

from math import prod

from graphmorph.channels.values.blocks import Block, blocks_of, parts
from graphmorph.channels.values.fact import LIMIT, Fact, Outline
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.view import View


@rule("Reshape", "Flatten")
def _reshape(view: View) -> None:
    """Elements of merged axes stay told apart if all of them are; else they are either all told apart, or none."""
    x, outline = view.fact(0), view.output_outline()
    blocks = blocks_of(x.outline, outline)
    for block in blocks:
        if block.factors is None:
            x = view.collapsed(x, but=tuple(axis for axis in range(x.rank) if axis not in block.before))
    fine, groups = _refined(view, x, outline, blocks)
    for group in groups:
        fine = _evened(view, fine, group)
    extents = tuple(prod(fine.extents[axis] for axis in group) for group in groups)
    merged = _numbered(view, fine, fine.reshaped(outline, extents), blocks)
    view.give_rearranged(merged)


def _refined(view: View, x: Fact, outline: Outline, blocks: list[Block]) -> tuple[Fact, list[list[int]]]:
    """The fact with an axis for every factor, and which of those make each axis of the output.

    Axes of blocks without factors stay what they are; the first of the output's axes takes all of them.
    """
    sizes: list[int] = []
    extents: list[int] = []
    free: set[int] = set()
    groups: list[list[int]] = []
    for block in blocks:
        first = len(sizes)
        if block.factors is None:
            free.update(first + place for place, axis in enumerate(block.before) if axis in x.free)
            sizes += [x.sizes[axis] for axis in block.before]
            extents += [1] * len(block.before)
            groups += [list(range(first, len(sizes)))] + [[] for _ in block.after[1:]] if block.after else []
            continue
        place = 0
        for axis in block.before:
            count = parts(x.sizes[axis], block.factors, place)
            extents += block.factors[place : place + count] if x.told_apart(axis) else (1,) * count
            place += count
        sizes += block.factors
        place = first
        for axis in block.after:
            count = parts(outline.sizes[axis], block.factors, place - first)
            groups.append(list(range(place, place + count)))
            place += count
    fine = x.reshaped(Outline(tuple(sizes), frozenset(free), x.dtype), tuple(extents))
    return _numbered(view, x, fine, blocks), groups


def _evened(view: View, fine: Fact, group: list[int]) -> Fact:
    """Factors that are to be one axis: all told apart if some are, or none if these would be too many."""
    told = [axis for axis in group if fine.told_apart(axis)]
    inner = [axis for axis in group if fine.in_slice(axis)]
    if not told or not inner:
        return fine
    if fine.number.size * prod(fine.sizes[axis] for axis in inner) > LIMIT:
        return view.collapsed(fine, but=tuple(axis for axis in range(fine.rank) if axis not in told))
    for axis in inner:
        fine = view.told_apart(fine, axis)
    return fine


def _numbered(view: View, before: Fact, after: Fact, blocks: list[Block]) -> Fact:
    """Slices whose shape is another are other values."""
    shapes = [tuple(size for size in fact.slice_shape if size != 1) for fact in (before, after)]
    mixed = any(b.factors is None and (len(b.before) != 1 or len(b.after) != 1) for b in blocks)
    if shapes[0] == shapes[1] and not mixed:
        return after
    tag = ("Reshape", view.name if mixed else None, before.slice_shape, after.slice_shape)
    return after.numbered(view.combine(tag, after.number))

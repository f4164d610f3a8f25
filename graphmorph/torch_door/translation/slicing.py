"""Parts of tensors that constants name: Slice, Split, and the triangles of matrices."""

from __future__ import annotations

import operator

import torch
from torch import fx

from graphmorph.torch_door.translation.operands import (
    axis_of,
    constant_ints,
    constant_number,
    optional_ints,
    require,
    size_at,
)
from graphmorph.torch_door.translation_table import Translation, translates

#: Exporters write the greatest int32 or int64 for "to the end".
_FAR = 2**31 - 1


@translates("Slice", 1, 10, 11, 13)
def slice_(t: Translation) -> fx.Node:
    """Elements from starts to ends along some axes, in steps that may be negative; attributes in version 1."""
    if t.version < 10:
        starts, ends = [int(n) for n in t.attr("starts")], [int(n) for n in t.attr("ends")]
        return _slice(t, starts, ends, [int(n) for n in t.attr("axes") or range(len(starts))], [1] * len(starts))
    starts, ends = constant_ints(t, 1), constant_ints(t, 2)
    axes, steps = optional_ints(t, 3), optional_ints(t, 4)
    return _slice(t, starts, ends, axes or list(range(len(starts))), steps or [1] * len(starts))


def _slice(t: Translation, starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> fx.Node:
    places = [axis_of(t, axis) for axis in axes]
    backwards = [place for place, step in zip(places, steps, strict=True) if step < 0]
    x = t.call(torch.flip, t.value(0), backwards) if backwards else t.value(0)
    parts = [slice(None)] * (max(places, default=-1) + 1)
    for place, start, end, step in zip(places, starts, ends, steps, strict=True):
        # Element i counted from the front is element -i - 1 of the flipped axis, and the other way round.
        parts[place] = _part(start, end, step) if step > 0 else _part(-start - 1, -end - 1, -step)
    return t.call(operator.getitem, x, tuple(parts))


def _part(start: int, end: int, step: int) -> slice:
    """A slice in few words; both clamp what lies outside."""
    first = None if start == 0 or start <= -_FAR else start
    last = None if end >= _FAR else max(end, -_FAR)
    return slice(first, last, None if step == 1 else min(step, _FAR))


@translates("Split", 2, 11, 13, 18)
def split(t: Translation) -> tuple[fx.Node, ...]:
    """Parts of given sizes along an axis, or equal ones, of which the last may be smaller (version 18)."""
    if t.version < 13:
        given = t.attr("split")
        sizes = None if given is None else [int(n) for n in given]
    else:
        sizes = optional_ints(t, 1)
    axis, count = int(t.attr("axis", 0)), len(t.node.outputs)
    if sizes is not None:
        parts = t.call(torch.split, t.value(0), sizes, axis)
    else:
        total = size_at(t, axis)
        uneven = total is not None and -(-total // count) * (count - 1) >= total
        require(t, not uneven, f"{total} elements do not give {count} parts")
        parts = t.call(torch.chunk, t.value(0), count, axis)
    return tuple(t.call(operator.getitem, parts, index) for index in range(count))


@translates("Trilu", 14)
def trilu(t: Translation) -> fx.Node:
    """The upper or lower triangle of the last two axes, from the k-th diagonal on."""
    diagonal = int(constant_number(t, 1)) if t.has(1) else 0
    return t.call(torch.triu if t.attr("upper", 1) else torch.tril, t.value(0), diagonal)

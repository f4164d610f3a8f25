"""Elements by index tensors: gathering and scattering."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn

from graphmorph.torch_door.translation.operands import (
    Value,
    axis_of,
    constant_array,
    constant_number,
    rank_of,
    require,
    traced,
    type_of,
)
from graphmorph.torch_door.translation_table import Translation, translates

_REDUCTIONS = {"mul": "prod", "max": "amax", "min": "amin"}


@translates("Gather", 1, 11, 13)
def gather(t: Translation) -> fx.Node:
    """Slices of the input along an axis: the axis is replaced by the shape of the indices."""
    axis = axis_of(t, int(t.attr("axis", 0)))
    table = t.replaced(nn.Embedding) if axis == 0 and t.is_constant(0) and not t.is_constant(1) else None
    if table is not None:
        count, size = t.array(0).shape
        settings = {"num_embeddings": int(count), "embedding_dim": int(size)}
        return t.layer(lambda: t.clone(table, tensors={"weight": t.parameter(0)}, **settings), t.value(1))
    indices = t.value(1)
    if not isinstance(indices, fx.Node):
        return t.call(torch.select, t.value(0), axis, indices)
    return t.call(operator.getitem, t.value(0), (slice(None),) * axis + (indices,))


@translates("GatherElements", 11, 13)
def gather_elements(t: Translation) -> fx.Node:
    """For every index, the element that it names along the axis, at its own place along the others."""
    axis = int(t.attr("axis", 0))
    return t.call(torch.gather, t.value(0), axis, _from_the_front(t, 1, axis))


def _from_the_front(t: Translation, index: int, axis: int) -> Value:
    """Indices as int64 without negative ones, which torch.gather and torch.scatter refuse."""
    indices = t.value(index)
    if t.is_constant(index) and bool((t.array(index) >= 0).all()):
        return indices if t.array(index).dtype.itemsize == 8 else t.method("long", indices)
    return t.method("long", t.call(torch.remainder, indices, t.method("size", t.value(0), axis)))


@translates("GatherND", 11, 12, 13)
def gather_nd(t: Translation) -> fx.Node:
    """Slices of the input, named by the vectors along the last axis of the indices."""
    require(t, not t.attr("batch_dims", 0), f"batch_dims is {t.attr('batch_dims', 0)}")
    return t.call(operator.getitem, t.value(0), t.call(torch.unbind, t.value(1), -1))


@translates("ScatterND", 11, 13, 16, 18)
def scatter_nd(t: Translation) -> fx.Node:
    """A copy of the input in which the slices that the indices name are replaced by updates, or raised by them."""
    reduction = t.attr("reduction", "none")
    require(t, reduction in ("none", "add"), f"reduction {reduction!r}", "only none and add have a torch function")
    places = t.call(torch.unbind, t.value(1), -1)
    return t.call(torch.index_put, t.value(0), places, t.value(2), reduction == "add")


@translates("ScatterElements", 11, 13, 16, 18)
def scatter_elements(t: Translation) -> fx.Node:
    """A copy of the input in which the elements that the indices name are replaced by updates, or combined."""
    axis, reduction = int(t.attr("axis", 0)), t.attr("reduction", "none")
    require(t, reduction in ("none", "add", *_REDUCTIONS), f"reduction {reduction!r} is not known")
    operands: list[Any] = [t.value(0), axis, _from_the_front(t, 1, axis), t.value(2)]
    if reduction == "none":
        return t.call(torch.scatter, *operands)
    if reduction == "add":
        return t.call(torch.scatter_add, *operands)
    return t.call(torch.scatter_reduce, *operands, _REDUCTIONS[reduction])


@translates("TopK", 10, 11, 24)
def top_k(t: Translation) -> tuple[fx.Node, ...]:
    """The k greatest or least elements along an axis and their indices; of equal ones the first, by a stable sort."""
    axis, count = int(t.attr("axis", -1)), int(constant_number(t, 1))
    ordered = t.call(torch.sort, traced(t), dim=axis, descending=bool(t.attr("largest", 1)), stable=True)
    parts = (t.call(operator.getitem, ordered, index) for index in range(2))
    return tuple(t.call(torch.narrow, part, axis, 0, count) for part in parts)


@translates("OneHot", 9, 11, 28)
def one_hot(t: Translation) -> fx.Node:
    """A new axis in which the second value stands at the index and the first elsewhere; -1 names the last place.

    An index that is out of bounds names no place.
    """
    axis, depth = int(t.attr("axis", -1)), int(constant_number(t, 1))
    off, on = (number.item() for number in constant_array(t, 2))
    indices = traced(t)
    device = t.call(getattr, indices, "device")
    places = t.call(torch.arange, depth, device=device)
    after = -1 - axis if axis < 0 else rank_of(t) - axis
    places = t.method("reshape", places, (depth, *[1] * after))
    wanted = t.call(torch.unsqueeze, indices, axis)
    fits = t.call(operator.eq, wanted, places)
    fits = t.call(operator.or_, fits, t.call(operator.eq, t.call(operator.add, wanted, depth), places))
    result = t.method("new_full", fits, (), off, dtype=type_of(t, 2))
    return t.call(torch.where, fits, t.method("new_full", fits, (), on, dtype=type_of(t, 2)), result)

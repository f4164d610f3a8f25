"""The index of x[...]: one part for every axis of x, and the places of new axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rules.promotion import settled

#: ONNX Slice counts an end beyond every size as the end.
TO_THE_END = 2**63 - 1

WHOLE = slice(None)


@dataclass(frozen=True)
class IndexParts:
    """axes: for every axis an int, a slice of ints and None, or a gs.Tensor of integers. new: axes that are added."""

    axes: tuple[Any, ...]
    new: tuple[int, ...]


def index_parts(site: SiteBuilder, tensor: gs.Tensor, index: Any) -> IndexParts:
    """Take an index apart.

    Raises:
        Unsupported: it holds masks, several tensors, or bounds that are tensors.
    """
    rank = site.rank(tensor)
    given = list(index) if isinstance(index, tuple) else [index]
    items = _spread(given, rank - sum(1 for item in given if item is not None and item is not Ellipsis))
    axes: list[Any] = []
    new: list[int] = []
    length = 0
    for item in items:
        if item is None:
            new.append(length)
            length += 1
            continue
        part = _part(site, item)
        axes.append(part)
        length += site.rank(part) if isinstance(part, gs.Tensor) else int(isinstance(part, slice))
    site.require(len(axes) == rank, f"an index of {len(axes)} parts for rank {rank}")
    site.require(sum(1 for part in axes if isinstance(part, gs.Tensor)) <= 1, "several tensors in one index")
    return IndexParts(tuple(axes), tuple(new))


def _spread(items: Sequence[Any], missing: int) -> list[Any]:
    """With the Ellipsis, or the end, written out."""
    place = next((place for place, item in enumerate(items) if item is Ellipsis), len(items))
    return [*items[:place], *[WHOLE] * missing, *items[place + 1 :]]


def _part(site: SiteBuilder, item: Any) -> Any:
    if isinstance(item, slice):
        return slice(*(None if one is None else _bound(site, one) for one in (item.start, item.stop, item.step)))
    if isinstance(item, gs.Tensor):
        dtype = site.dtype(item)
        site.require(dtype in (torch.int32, torch.int64), f"an index of type {dtype}")
        return item
    if isinstance(item, list):
        plain = all(isinstance(one, int) and not isinstance(one, bool) for one in item) and len(item) > 0
        site.require(plain, "a list in an index that holds no numbers")
        return site.ints([settled(site, one, "an index") for one in item])
    site.require(not isinstance(item, bool), "a truth value in an index")
    return settled(site, item, "an index")


def _bound(site: SiteBuilder, value: Any) -> int:
    return settled(site, value, "a bound of a slice")


def sliced(site: SiteBuilder, tensor: gs.Tensor, bounds: dict[int, slice]) -> gs.Tensor:
    """Slice-13 along some axes; its literal bounds mean what they mean in Python, whatever the size.

    A bound at or beyond the traced size cuts nothing there, but would of another size.
    """
    dims, sizes = list(site.dims(tensor)), site.sizes(tensor)
    for axis, bound in bounds.items():
        size = sizes[axis]
        site.require(bound.step is None or bound.step > 0, "a slice that goes backwards")
        beyond = [one for one in (bound.start, bound.stop) if one is not None and (one <= -size or (one >= size > 0))]
        if beyond:
            site.specialised(f"a slice to {beyond[0]} of an axis of size {size}")
        length = len(range(*bound.indices(size)))
        dims[axis] = length if isinstance(dims[axis], int) else None
    starts = [bound.start or 0 for bound in bounds.values()]
    ends = [TO_THE_END if bound.stop is None else bound.stop for bound in bounds.values()]
    steps = [bound.step or 1 for bound in bounds.values()]
    operands = [site.ints(values) for values in (starts, ends, list(bounds), steps)]
    return site.node("Slice", [tensor, *operands], shape=dims, dtype=site.dtype(tensor))

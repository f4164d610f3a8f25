"""Writing into parts of a tensor: x[...] = value gives a new tensor, by ScatterND or by Where."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.index_parts import WHOLE, index_parts
from graphmorph.torch_door.rules.size_vectors import BATCH, size_vector
from graphmorph.torch_door.tensor_facts import Dimension


@lowers(operator.setitem)
def setitem(site: SiteBuilder, input: gs.Tensor, index: Any, value: Any) -> gs.Tensor:
    """ScatterND-18 along the indexed axes, which are brought to the front: the others, the batch too, keep any size."""
    filling = site.cast(value, site.dtype(input)) if isinstance(value, gs.Tensor) else site.scalar(value, input)
    if isinstance(index, gs.Tensor) and site.dtype(index) == torch.bool:
        return _masked(site, input, index, filling)
    parts = index_parts(site, input, index)
    site.require(not parts.new, "a write into an axis that the index adds")
    rows = {axis: _rows(site, input, axis, part) for axis, part in enumerate(parts.axes) if not _is_whole(part)}
    if not all(rows.values()):
        site.specialised("nothing of the traced sizes is written into")
        return input
    picked = [axis for axis, part in enumerate(parts.axes) if isinstance(part, int)]
    order = [*rows, *(axis for axis in range(len(parts.axes)) if axis not in rows)]
    data = _transposed(site, input, order)
    dims = (*(len(places) for places in rows.values()), *site.dims(data)[len(rows) :])
    updates = _expanded(site, _transposed(site, _aligned(site, filling, input, picked), order), dims, data, len(rows))
    if not rows:
        return updates
    grid = np.stack(np.meshgrid(*rows.values(), indexing="ij"), axis=-1)
    written = site.node(
        "ScatterND",
        [data, site.constant(grid.tolist(), "int64"), updates],
        {"reduction": "none"},
        shape=site.dims(data),
        dtype=site.dtype(data),
    )
    return _transposed(site, written, [order.index(axis) for axis in range(len(order))])


def _is_whole(part: Any) -> bool:
    return isinstance(part, slice) and part == WHOLE


def _masked(site: SiteBuilder, input: gs.Tensor, mask: gs.Tensor, filling: gs.Tensor) -> gs.Tensor:
    """Where-16: one value where a mask of the leading axes holds."""
    site.require(site.rank(filling) == 0, "several values are written by a mask")
    missing = list(range(site.rank(mask), site.rank(input)))
    if missing:
        shape = (*site.dims(mask), *(1 for _ in missing))
        mask = site.node("Unsqueeze", [mask, site.ints(missing)], shape=shape, dtype=torch.bool)
    return site.node("Where", [mask, filling, input])


def _rows(site: SiteBuilder, tensor: gs.Tensor, axis: int, part: int | slice | gs.Tensor) -> list[int]:
    """The places along an axis; counted from the end where the index does, so that they hold for other sizes too."""
    size = site.dims(tensor)[axis]
    site.require(isinstance(part, int | slice), "a write to places that are a tensor")
    site.require(isinstance(size, int), "a write to parts of an axis that follows the batch")
    assert isinstance(size, int)
    if isinstance(part, int):
        return [part]
    assert isinstance(part, slice)
    site.require(part.step is None or part.step > 0, "a slice that goes backwards")
    places = list(range(*part.indices(size)))
    start, stop = part.start or 0, part.stop
    if start < 0 and -size < start and (stop is None or -size < stop < 0):
        return [place - size for place in places]
    if start < 0 or stop is None or not 0 <= stop < size:
        site.specialised(f"the slice {part} of an axis of size {size}")
    return places


def _transposed(site: SiteBuilder, tensor: gs.Tensor, order: list[int]) -> gs.Tensor:
    rank = site.rank(tensor)
    if rank == 0 or order == list(range(rank)):
        return tensor
    shape = [site.dims(tensor)[axis] for axis in order]
    return site.node("Transpose", [tensor], {"perm": order}, shape=shape, dtype=site.dtype(tensor))


def _aligned(site: SiteBuilder, value: gs.Tensor, target: gs.Tensor, picked: list[int]) -> gs.Tensor:
    """A value with an axis for every axis of the target; one number stays one number.

    torch aligns it with the target's last axes, without those picked by an int, and drops leading axes of size 1.
    """
    kept = [axis for axis in range(site.rank(target)) if axis not in picked]
    extra = max(0, site.rank(value) - len(kept))
    dims = site.dims(value)
    if extra:
        site.require(all(size == 1 for size in dims[:extra]), f"a value of shape {dims} for {len(kept)} axes")
        axes = site.ints(list(range(extra)))
        value = site.node("Squeeze", [value, axes], shape=dims[extra:], dtype=site.dtype(value))
    rank = site.rank(value)
    present = kept[len(kept) - rank :] if rank else []
    missing = [axis for axis in range(site.rank(target)) if axis not in present]
    if not rank or not missing:
        return value
    sizes = iter(site.dims(value))
    shape = [1 if axis in missing else next(sizes) for axis in range(site.rank(target))]
    return site.node("Unsqueeze", [value, site.ints(missing)], shape=shape, dtype=site.dtype(value))


def _expanded(
    site: SiteBuilder, value: gs.Tensor, dims: tuple[Dimension, ...], data: gs.Tensor, indexed: int
) -> gs.Tensor:
    """Expand-13 to `dims`: the first `indexed` are numbers, the others are those of `data`."""
    given = site.dims(value)
    if given == dims and None not in dims:
        return value
    if all(
        isinstance(wanted, int) or (len(given) == len(dims) and given[place] == wanted)
        for place, wanted in enumerate(dims)
    ):
        shape: gs.Tensor = site.ints([wanted if isinstance(wanted, int) else 1 for wanted in dims])
    else:
        shape = _shape_like(site, dims, data, indexed)
    return site.node("Expand", [value, shape], shape=dims, dtype=site.dtype(value))


def _shape_like(site: SiteBuilder, dims: tuple[Dimension, ...], data: gs.Tensor, indexed: int) -> gs.Tensor:
    """The sizes of the updates. Those that follow the batch are read from an input of the graph where there is one:
    a reader of `data` would keep passes from seeing through what is written."""
    follows = {size for size in dims if not isinstance(size, int)}
    if site.types.batch_input is not None and follows == {BATCH}:
        return size_vector(site, [size for size in dims if size is not None])
    shape: gs.Tensor = site.node("Shape", [data], {"start": indexed}, shape=(len(dims) - indexed,), dtype=torch.int64)
    if not indexed:
        return shape
    first = site.ints([int(size) for size in dims[:indexed] if isinstance(size, int)])
    return site.node("Concat", [first, shape], {"axis": 0}, shape=(len(dims),), dtype=torch.int64)

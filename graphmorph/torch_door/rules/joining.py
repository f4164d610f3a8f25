"""Joining tensors and taking them apart along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.numpy_names import numpy_names
from graphmorph.torch_door.rules.promotion import settled


def _result_axis(site: SiteBuilder, dim: int) -> int:
    rank = len(site.result_sizes)
    site.require(-rank <= dim < rank, f"dimension {dim} of a result of rank {rank}")
    return int(dim) % rank


@lowers(torch.cat, torch.concat, torch.concatenate)
@numpy_names
def cat(site: SiteBuilder, tensors: Sequence[gs.Tensor], dim: int = 0) -> gs.Tensor:
    """Concat-13; torch leaves out tensors of shape (0,)."""
    axis = _result_axis(site, dim)
    if len(site.result_sizes) > 1:
        tensors = [tensor for tensor in tensors if site.sizes(tensor) != (0,)]
    operands = [site.cast(tensor, site.result_dtype) for tensor in tensors]
    return site.node("Concat", operands, {"axis": axis})


@lowers(torch.stack)
@numpy_names
def stack(site: SiteBuilder, tensors: Sequence[gs.Tensor], dim: int = 0) -> gs.Tensor:
    """Unsqueeze-13 of each, then Concat-13."""
    return _stacked(site, tensors, _result_axis(site, dim))


def _stacked(site: SiteBuilder, tensors: Sequence[gs.Tensor], axis: int) -> gs.Tensor:
    dtype, axes = site.result_dtype, site.ints([axis])
    operands = []
    for tensor in tensors:
        dims = site.dims(tensor)
        shape = (*dims[:axis], 1, *dims[axis:])
        operands.append(site.node("Unsqueeze", [site.cast(tensor, dtype), axes], shape=shape, dtype=dtype))
    return site.node("Concat", operands, {"axis": axis})


@lowers(torch.hstack)
def hstack(site: SiteBuilder, tensors: Sequence[gs.Tensor]) -> gs.Tensor:
    """Along axis 1, or 0 for vectors."""
    site.require(all(site.rank(tensor) > 0 for tensor in tensors), "hstack of rank 0")
    return cat(site, tensors, min(1, len(site.result_sizes) - 1))


@lowers(torch.vstack)
def vstack(site: SiteBuilder, tensors: Sequence[gs.Tensor]) -> gs.Tensor:
    """Along axis 0; vectors become rows."""
    ranks = {site.rank(tensor) for tensor in tensors}
    if ranks == {1}:
        return _stacked(site, tensors, 0)
    site.require(min(ranks) > 1, f"vstack of ranks {sorted(ranks)}")
    return cat(site, tensors, 0)


def _fixed_axis(site: SiteBuilder, input: gs.Tensor, dim: int) -> int:
    axis = site.axis(input, dim)
    site.require(isinstance(site.dims(input)[axis], int), "the axis taken apart follows the batch")
    return axis


def _evenly(site: SiteBuilder, input: gs.Tensor, axis: int) -> list[gs.Variable]:
    return site.nodes("Split", [input], {"axis": axis, "num_outputs": len(site.result)}, outputs=len(site.result))


def _as_traced(site: SiteBuilder, input: gs.Tensor, axis: int) -> list[gs.Variable]:
    lengths = site.ints([int(piece.shape[axis]) for piece in site.result])
    return site.nodes("Split", [input, lengths], {"axis": axis}, outputs=len(site.result))


@lowers(torch.chunk, methods=("chunk",))
@numpy_names
def chunk(site: SiteBuilder, input: gs.Tensor, chunks: int, dim: int = 0) -> list[gs.Variable]:
    """Split-18 into so many outputs: equal ones, the last one shorter where it must be, in both."""
    axis, count = _fixed_axis(site, input, dim), settled(site, chunks, "the number of chunks")
    if len(site.result) == count:
        return _evenly(site, input, axis)
    site.specialised("fewer chunks than asked for come out")
    return _as_traced(site, input, axis)


@lowers(torch.split, methods=("split",))
def split(
    site: SiteBuilder,
    tensor: gs.Tensor,
    split_size_or_sections: int | Sequence[int] | None = None,
    dim: int = 0,
    *,
    split_size: int | Sequence[int] | None = None,
) -> list[gs.Variable]:
    """Split-18 into the lengths of the traced pieces."""
    asked = split_size if split_size_or_sections is None else split_size_or_sections
    return _sections(site, tensor, asked, dim)


@lowers(torch.split_with_sizes, methods=("split_with_sizes",))
@numpy_names
def split_with_sizes(
    site: SiteBuilder, input: gs.Tensor, split_sizes: Sequence[int], dim: int = 0
) -> list[gs.Variable]:
    """Split-18 into pieces of these lengths."""
    return _sections(site, input, split_sizes, dim)


def _sections(site: SiteBuilder, tensor: gs.Tensor, asked: Any, dim: int) -> list[gs.Variable]:
    axis = _fixed_axis(site, tensor, dim)
    for size in asked if isinstance(asked, list | tuple) else [asked]:
        settled(site, size, "a length of a split")
    return _as_traced(site, tensor, axis)


@lowers(torch.tensor_split, methods=("tensor_split",))
def tensor_split(
    site: SiteBuilder,
    input: gs.Tensor,
    indices_or_sections: Any = None,
    dim: int = 0,
    *,
    sections: Any = None,
    indices: Any = None,
) -> list[gs.Variable]:
    """Split-18; pieces of unequal lengths are those of the traced sizes."""
    axis = _fixed_axis(site, input, dim)
    asked: Any = next((one for one in (indices_or_sections, sections, indices) if one is not None), None)
    for number in asked if isinstance(asked, list | tuple) else [asked]:
        settled(site, number, "a place of a split")
    if isinstance(asked, int) and site.sizes(input)[axis] % asked == 0:
        return _evenly(site, input, axis)
    total = sum(int(piece.shape[axis]) for piece in site.result)
    site.require(total == site.sizes(input)[axis], "pieces that overlap, or leave something out")
    site.specialised("the lengths of the pieces follow from the traced size")
    return _as_traced(site, input, axis)


@lowers(torch.unbind, methods=("unbind",))
@numpy_names
def unbind(site: SiteBuilder, input: gs.Tensor, dim: int = 0) -> list[gs.Variable]:
    """One Gather-13 for each element of an axis."""
    axis = _fixed_axis(site, input, dim)
    made = []
    for place, piece in enumerate(site.result):
        shape, dtype = site.types.described(piece)
        index = site.constant(place, "int64")
        made.append(site.node("Gather", [input, index], {"axis": axis}, shape=shape, dtype=dtype))
    return made

"""Tensors repeated along axes: expand, repeat, tile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder, is_derived
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.promotion import settled
from graphmorph.torch_door.rules.size_vectors import BATCH, follows_batch, size_vector


def _flat(sizes: Sequence[Any]) -> list[Any]:
    return list(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], list | tuple) else list(sizes)


@lowers(methods=("expand",))
def expand(
    site: SiteBuilder, input: gs.Tensor, *sizes: int | Sequence[int], size: Sequence[int] = (), implicit: bool = False
) -> gs.Tensor:
    """Expand-13; an axis that keeps its size, whatever that is, is told a 1."""
    asked = _flat(sizes) or list(size)
    wanted = site.types.described(site.result)[0]
    given = (*(1 for _ in range(len(wanted) - site.rank(input))), *site.dims(input))
    site.require(len(asked) == len(wanted), f"expand to {asked}")
    operand: list[int | str] = []
    for number, old, new in zip(asked, given, wanted, strict=True):
        site.require(isinstance(number, int), "expand to a size that is no number")
        if old == new and new is not None:
            operand.append(1)
            continue
        if new == BATCH and follows_batch(site, number):
            operand.append(BATCH)
            continue
        site.require(isinstance(new, int), "it repeats along the batch by a number that is not the batch's")
        operand.append(settled(site, number, "a size") if is_derived(number) else int(number))
    return site.node("Expand", [input, size_vector(site, operand)])


@lowers(torch.broadcast_to, methods=("broadcast_to",))
def broadcast_to(site: SiteBuilder, input: gs.Tensor, size: Sequence[int]) -> gs.Tensor:
    """expand, as a function."""
    return expand(site, input, size)


@lowers(methods=("expand_as",))
def expand_as(site: SiteBuilder, input: gs.Tensor, other: gs.Tensor) -> gs.Tensor:
    """Expand-13 to the Shape-19 of another tensor."""
    if site.dims(input) == site.dims(other) and None not in site.dims(input):
        return input
    shape = site.node("Shape", [other], shape=(site.rank(other),), dtype=torch.int64)
    return site.node("Expand", [input, shape])


@lowers(methods=("repeat",))
def repeat(site: SiteBuilder, input: gs.Tensor, *counts: int | Sequence[int], repeats: Sequence[int] = ()) -> gs.Tensor:
    """Tile-13."""
    return _tiled(site, input, _flat(counts) or list(repeats))


@lowers(torch.tile, methods=("tile",))
def tile(site: SiteBuilder, input: gs.Tensor, *counts: int | Sequence[int], dims: Sequence[int] = ()) -> gs.Tensor:
    """Tile-13; fewer numbers than axes belong to the last axes."""
    given = _flat(counts) or list(dims)
    return _tiled(site, input, [1] * (site.rank(input) - len(given)) + given)


def _tiled(site: SiteBuilder, input: gs.Tensor, repeats: list[Any]) -> gs.Tensor:
    numbers = [
        BATCH if follows_batch(site, number) else settled(site, number, "a number of repetitions") for number in repeats
    ]
    extra = len(numbers) - site.rank(input)
    site.require(extra >= 0, f"{len(numbers)} repetitions of a tensor of rank {site.rank(input)}")
    if extra:
        shape = (*(1 for _ in range(extra)), *site.dims(input))
        axes = site.ints(list(range(extra)))
        input = site.node("Unsqueeze", [input, axes], shape=shape, dtype=site.result_dtype)
    return site.node("Tile", [input, size_vector(site, numbers)]) if numbers else input

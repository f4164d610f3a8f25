"""Vectors of sizes as operands: numbers, and the size of the batch, which is read from an input of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder, is_derived
from graphmorph.torch_door.values import DerivedInt

BATCH = "batch"


def follows_batch(site: SiteBuilder, number: object) -> bool:
    """Whether a number that was computed from shapes is the size of the batch, whatever that is."""
    if not isinstance(number, DerivedInt) or not is_derived(number):
        return False
    return number == site.types.batch and number.doubled == 2 * number


def size_vector(site: SiteBuilder, sizes: Sequence[int | str]) -> gs.Tensor:
    """Sizes as int64; "batch" stands for that of the batch.

    Raises:
        Unsupported: the batch is asked for, and no input of the graph begins with it.
    """
    if all(isinstance(size, int) for size in sizes):
        return site.ints([int(size) for size in sizes])
    parts: list[gs.Tensor] = []
    for known, group in groupby(sizes, key=lambda size: isinstance(size, int)):
        listed = list(group)
        if known:
            parts.append(site.ints([int(size) for size in listed]))
        else:
            site.require(set(listed) == {BATCH}, f"sizes {listed} as operands")
            parts.extend(site.batch_size() for _ in listed)
    return site.node("Concat", parts, {"axis": 0}, shape=(len(sizes),), dtype=torch.int64)

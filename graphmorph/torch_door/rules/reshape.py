"""Reshapes: view, reshape, flatten and unflatten, in any batch size."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_graphsurgeon as gs
import torch
from torch import nn

from graphmorph.torch_door.builder import SiteBuilder, Unsupported, is_derived
from graphmorph.torch_door.rule_table import lowers, lowers_module


def reshaped(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """Reshape-19 to the sizes of the result: 0 copies a size that follows the batch, -1 stands for one that cannot be.

    Raises:
        Unsupported: more sizes follow the batch than Reshape can say.
    """
    given = site.dims(input)
    wanted = site.types.described(site.result)[0]
    operand: list[int] = []
    for place, size in enumerate(wanted):
        if isinstance(size, int) and size > 0:
            operand.append(size)
        elif place < len(given) and given[place] == size and size is not None:
            operand.append(0)
        elif -1 not in operand and size != 0:
            operand.append(-1)
        else:
            raise Unsupported(f"a reshape of {given} to {wanted}")
    return site.node("Reshape", [input, site.ints(operand)])


@lowers(torch.reshape, methods=("view", "reshape"))
def view(site: SiteBuilder, input: gs.Tensor, *shape: int | Sequence[int] | torch.dtype) -> gs.Tensor:
    """Tensor.view and Tensor.reshape; sizes computed from shapes are those of the traced example."""
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], list | tuple) else shape
    site.require(not any(isinstance(size, torch.dtype) for size in sizes), "a view as another element type")
    if any(is_derived(size) and not _follows_batch(site, int(size)) for size in sizes):  # type: ignore[arg-type]
        site.specialised("sizes of a reshape were computed from the traced shapes")
    return reshaped(site, input)


def _follows_batch(site: SiteBuilder, size: int) -> bool:
    return any(isinstance(known, str) for known in site.types.described(site.result)[0]) and size == site.types.batch


@lowers(torch.flatten, methods=("flatten",))
def flatten(site: SiteBuilder, input: gs.Tensor, start_dim: int = 0, end_dim: int = -1) -> gs.Tensor:
    """Flatten-13 where all but the first dimension become one; else Reshape."""
    if site.rank(input) == 0:
        return reshaped(site, input)
    first, last = site.axis(input, start_dim), site.axis(input, end_dim)
    if first == 1 and last == site.rank(input) - 1:
        return site.node("Flatten", [input], {"axis": 1})
    return reshaped(site, input)


@lowers_module(nn.Flatten)
def flatten_module(site: SiteBuilder, module: nn.Flatten, input: gs.Tensor) -> gs.Tensor:
    """nn.Flatten."""
    return flatten(site, input, module.start_dim, module.end_dim)


@lowers(torch.unflatten, methods=("unflatten",))
def unflatten(site: SiteBuilder, input: gs.Tensor, dim: int, sizes: Sequence[int]) -> gs.Tensor:
    """Reshape-19; the sizes are those of the result."""
    site.axis(input, dim)
    return reshaped(site, input)


@lowers_module(nn.Unflatten)
def unflatten_module(site: SiteBuilder, module: nn.Unflatten, input: gs.Tensor) -> gs.Tensor:
    """nn.Unflatten."""
    site.require(isinstance(module.dim, int), "named dimensions")
    return reshaped(site, input)


@lowers(methods=("view_as", "reshape_as"))
def view_as(site: SiteBuilder, input: gs.Tensor, other: gs.Tensor) -> gs.Tensor:
    """To the traced shape of another tensor."""
    site.specialised("the shape of a reshape is that of another tensor")
    return reshaped(site, input)

"""How a tensor that belongs to a parameter, such as its gradient or a moment, follows the parameter into another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from graphmorph.errors import GraphmorphError
from graphmorph.journal import NEW, Slice
from graphmorph.torch_door.provenance import ParameterOrigin


class LeftBehind(GraphmorphError):
    """A tensor of a shape from which nobody can tell which of its entries go where."""


def state_of(state: Mapping[str, Any], old: torch.Tensor, new: nn.Parameter, origin: ParameterOrigin) -> dict[str, Any]:
    """The optimizer's state for a new parameter, from that for the old one.

    Raises:
        LeftBehind: the state holds a tensor that does not follow.
    """
    return {name: _entry(name, value, old, new, origin) for name, value in state.items()}


def _entry(name: str, value: Any, old: torch.Tensor, new: nn.Parameter, origin: ParameterOrigin) -> Any:
    if not isinstance(value, torch.Tensor) or value.dim() == 0:
        return value
    unchanged = not origin.slices and not origin.transposed and new.shape == old.shape
    if unchanged and value.device == new.device:
        return value
    if value.shape == old.shape:
        return followed(value, new, origin)
    axes = _axes(name, tuple(value.shape), tuple(old.shape))
    if axes is None or origin.transposed or new.dim() != old.dim():
        raise LeftBehind(f"its {name} of shape {tuple(value.shape)} belongs to a parameter of {tuple(old.shape)}")
    slices = [Slice(axes.index(one.axis), one.taken) for one in origin.slices or () if one.axis in axes]
    return taken(value, slices)


def _axes(name: str, shape: tuple[int, ...], whole: tuple[int, ...]) -> tuple[int | None, ...] | None:
    """Which axis of the parameter each axis of a tensor is, None where it was summed up; None if that cannot be told.

    torch's Adafactor keeps means over rows and columns with axes of size 1; those of fairseq and transformers drop the
    axis, and tell which by the name (exp_avg_sq_row, exp_avg_sq_col), for square weights too.
    """
    if len(shape) == len(whole) and all(n in (1, size) for n, size in zip(shape, whole, strict=True)):
        return tuple(axis if n == whole[axis] else None for axis, n in enumerate(shape))
    every = tuple(range(len(whole)))
    ending = name.rsplit("_", 1)[-1]
    left = {"row": every[:-1], "col": every[:-2] + every[-1:]}.get(ending)
    return left if left is not None and len(whole) > 1 and shape == tuple(whole[axis] for axis in left) else None


def followed(value: torch.Tensor, new: nn.Parameter, origin: ParameterOrigin) -> torch.Tensor:
    """A tensor of the old parameter's shape, for the new one: on its device, and laid out in memory as it is."""
    if value.is_sparse:
        return followed(value.to_dense(), new, origin).to_sparse(value.sparse_dim())
    chosen = taken(value, origin.slices or ())
    if origin.transposed:
        chosen = chosen.permute(*reversed(range(chosen.dim())))
    made = torch.empty_like(new, dtype=value.dtype, requires_grad=False)
    return made.copy_(chosen)


def taken(value: torch.Tensor, slices: Iterable[Slice]) -> torch.Tensor:
    """The entries that slices take, one slice after the other; zeros where an entry is new."""
    for one in slices:
        entries = torch.tensor(one.taken, dtype=torch.long, device=value.device)
        value = value.index_select(one.axis, entries.clamp(min=0))
        value.index_fill_(one.axis, torch.nonzero(entries == NEW).flatten(), 0)
    return value

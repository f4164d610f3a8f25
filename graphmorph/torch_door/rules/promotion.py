"""Type promotion: operands in the element type that torch computes in, numbers as weak scalars, results cast once."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder, Unsupported, is_derived
from graphmorph.torch_door.element_types import numpy_dtype
from graphmorph.torch_door.tensor_facts import Dimension

Operand: TypeAlias = "gs.Tensor | float"


def common_dtype(site: SiteBuilder, first: Operand, second: Operand) -> torch.dtype:
    """The type that torch promotes two operands to: tensors count before rank-0 tensors, those before numbers."""
    return torch.result_type(_stand_in(site, first), _stand_in(site, second))


def _stand_in(site: SiteBuilder, operand: Operand) -> Any:
    if isinstance(operand, gs.Tensor):
        shape = (1,) * min(site.rank(operand), 1)
        return torch.empty(shape, dtype=site.dtype(operand), device="meta")
    kind = next((kind for kind in (bool, int, float) if isinstance(operand, kind)), None)
    if kind is None:
        raise Unsupported(f"an operand is {type(operand).__name__}")
    return kind(operand)


def pair(
    site: SiteBuilder, first: Operand, second: Operand, dtype: torch.dtype | None = None
) -> tuple[gs.Tensor, gs.Tensor]:
    """Two operands in one element type, by default the one that torch promotes to; one of them is a tensor."""
    dtype = common_dtype(site, first, second) if dtype is None else dtype
    cast = [site.cast(one, dtype) if isinstance(one, gs.Tensor) else None for one in (first, second)]
    like = cast[0] if cast[0] is not None else cast[1]
    site.require(like is not None, "no operand is a tensor")
    made = [site.scalar(one, like) if t is None else t for one, t in zip((first, second), cast, strict=True)]
    return made[0], made[1]


def binary(site: SiteBuilder, op: str, first: Operand, second: Operand, dtype: torch.dtype | None = None) -> gs.Tensor:
    """One node on two operands, computed in their common type (or `dtype`), in the type of the torch result."""
    dtype = common_dtype(site, first, second) if dtype is None else dtype
    made = site.node(op, list(pair(site, first, second, dtype)), dtype=dtype)
    return site.cast(made, site.result_dtype)


def broadcast_dims(site: SiteBuilder, *tensors: gs.Tensor) -> list[Dimension]:
    """Sizes that tensors have together under broadcasting; None for one that cannot be told."""
    rank = max(site.rank(tensor) for tensor in tensors)
    aligned = [(*(1 for _ in range(rank - site.rank(tensor))), *site.dims(tensor)) for tensor in tensors]
    found: list[Dimension] = []
    for sizes in zip(*aligned, strict=True):
        others = {size for size in sizes if size != 1} or {1}
        found.append(others.pop() if len(others) == 1 else None)
    return found


def like_result(site: SiteBuilder, value: Operand) -> gs.Tensor:
    """An operand in the type of the torch result."""
    if isinstance(value, gs.Tensor):
        return site.cast(value, site.result_dtype)
    probe = gs.Variable("", dtype=numpy_dtype(site.result_dtype), shape=[])
    return site.scalar(value, probe)


def settled(site: SiteBuilder, value: Any, role: str) -> int:
    """An int; one that was computed from shapes holds for the traced ones, one that follows the batch is refused."""
    site.require(isinstance(value, int | np.integer) and not isinstance(value, bool), f"{role} is not an int")
    if is_derived(value):
        site.require(value.doubled in (None, value), f"{role} follows the batch")
        site.specialised(f"{role} was computed from the traced shapes")
    return int(value)

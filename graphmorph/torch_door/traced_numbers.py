"""Numbers that a call was given, as plain Python numbers; a site notes where they came from the traced shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.values import is_derived


def plain_ints(site: SiteBuilder, values: Any, what: str) -> list[int]:
    """An int, or several, as a list of ints.

    Raises:
        Unsupported: they are no ints, or they follow the batch.
    """
    given = list(values) if isinstance(values, Sequence) else [values]
    site.require(all(isinstance(value, int) for value in given), f"{what} {values!r} is not made of integers")
    site.require(not any(follows_batch(value) for value in given), f"{what} follows the size of the batch")
    if isinstance(values, torch.Size) or any(is_derived(value) for value in given):
        site.specialised(f"{what} was computed from the traced shapes")
    return [int(value) for value in given]


def per_axis(site: SiteBuilder, value: Any, count: int, what: str) -> list[int]:
    """One int for each of `count` axes, from an int, a sequence of one, or a sequence of `count`.

    Raises:
        Unsupported: it is none of these.
    """
    given = plain_ints(site, value, what)
    site.require(len(given) in (1, count), f"{what} {value!r} for {count} dimensions")
    return given * count if len(given) == 1 else given


def plain_number(site: SiteBuilder, value: Any, what: str) -> float:
    """An int or a float.

    Raises:
        Unsupported: it is neither, or it follows the batch.
    """
    site.require(isinstance(value, int | float), f"{what} is {value!r}")
    site.require(not follows_batch(value), f"{what} follows the size of the batch")
    if is_derived(value):
        site.specialised(f"{what} was computed from the traced shapes")
    return int(value) if isinstance(value, int) else float(value)


def follows_batch(value: object) -> bool:
    """Whether a number is known to change with the size of the batch."""
    doubled = getattr(value, "doubled", None)
    return doubled is not None and doubled != value


def static_sizes(site: SiteBuilder, tensor: gs.Tensor, start: int, what: str) -> list[int]:
    """Sizes of the axes from `start` on.

    Raises:
        Unsupported: one of them is not the same for every batch.
    """
    sizes = site.dims(tensor)[start:]
    site.require(all(isinstance(size, int) for size in sizes), f"{what} depend on the batch: {list(sizes)}")
    return [int(size) for size in sizes]  # type: ignore[arg-type]


def require_floating(site: SiteBuilder, *tensors: gs.Tensor | None) -> None:
    """Give up unless the tensors are of one floating-point type.

    Raises:
        Unsupported: they are not.
    """
    dtypes = {site.dtype(tensor) for tensor in tensors if tensor is not None}
    named = ", ".join(sorted(str(dtype) for dtype in dtypes))
    site.require(len(dtypes) == 1, f"it mixes element types: {named}")
    site.require(all(dtype.is_floating_point for dtype in dtypes), f"the element type {named} is not a floating one")

"""Elements in another order along an axis, and triangles."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder, Unsupported
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.index_parts import sliced
from graphmorph.torch_door.rules.named_axes import named_axes
from graphmorph.torch_door.rules.numpy_names import numpy_names
from graphmorph.torch_door.rules.promotion import settled


@lowers(torch.roll, methods=("roll",))
def roll(
    site: SiteBuilder,
    input: gs.Tensor,
    shifts: int | Sequence[int],
    dims: int | Sequence[int] | None = None,
) -> gs.Tensor:
    """The end of an axis before its begin: two Slice-13 and a Concat-13 for each axis."""
    if dims is None or dims == ():
        raise Unsupported("roll of the flattened tensor")
    made = input
    for move, axis in zip([shifts] if isinstance(shifts, int) else shifts, named_axes(site, input, dims), strict=True):
        made = _rolled(site, made, settled(site, move, "a shift"), axis)
    return made


def _rolled(site: SiteBuilder, tensor: gs.Tensor, shift: int, axis: int) -> gs.Tensor:
    size = site.dims(tensor)[axis]
    if shift == 0:
        return tensor
    site.require(isinstance(size, int) and size > 0, "roll along an axis that follows the batch")
    assert isinstance(size, int)
    if abs(shift) >= size:
        site.specialised(f"a shift by {shift} of an axis of size {size}")
        shift %= size
        if shift == 0:
            return tensor
    parts = [sliced(site, tensor, {axis: slice(-shift, None)}), sliced(site, tensor, {axis: slice(0, -shift)})]
    return site.node("Concat", list(parts), {"axis": axis})


@lowers(torch.flip)
@numpy_names
def flip(site: SiteBuilder, input: gs.Tensor, dims: int | Sequence[int]) -> gs.Tensor:
    """Slice-13 with steps of -1."""
    axes = named_axes(site, input, dims)
    if not axes:
        return input
    ends = [-(2**63)] * len(axes)
    operands = [site.ints(values) for values in ([-1] * len(axes), ends, axes, [-1] * len(axes))]
    return site.node("Slice", [input, *operands])


@lowers(methods=("flip",))
def flip_method(site: SiteBuilder, input: gs.Tensor, *axes: int | Sequence[int], dims: Sequence[int] = ()) -> gs.Tensor:
    """x.flip(0, 1), x.flip((0, 1))."""
    given = axes or dims
    return flip(site, input, given[0] if len(given) == 1 else list(given))


@lowers(torch.fliplr, methods=("fliplr",))
def fliplr(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """Flip of axis 1."""
    return flip(site, input, [1])


@lowers(torch.flipud, methods=("flipud",))
def flipud(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """Flip of axis 0."""
    return flip(site, input, [0])


@lowers(torch.tril, methods=("tril", "tril_"))
@numpy_names
def tril(site: SiteBuilder, input: gs.Tensor, diagonal: int = 0) -> gs.Tensor:
    """Trilu-14, the lower triangle."""
    return _triangle(site, input, diagonal, upper=0)


@lowers(torch.triu, methods=("triu", "triu_"))
@numpy_names
def triu(site: SiteBuilder, input: gs.Tensor, diagonal: int = 0) -> gs.Tensor:
    """Trilu-14, the upper triangle."""
    return _triangle(site, input, diagonal, upper=1)


def _triangle(site: SiteBuilder, input: gs.Tensor, diagonal: int, *, upper: int) -> gs.Tensor:
    offset = site.constant(settled(site, diagonal, "a diagonal"), "int64")
    return site.node("Trilu", [input, offset], {"upper": upper})

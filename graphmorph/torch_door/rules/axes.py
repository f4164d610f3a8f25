"""Axes in another order, added, removed."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.casting import convert
from graphmorph.torch_door.rules.named_axes import named_axes
from graphmorph.torch_door.rules.numpy_names import numpy_names


def _transposed(site: SiteBuilder, input: gs.Tensor, order: Sequence[int]) -> gs.Tensor:
    """Transpose-13."""
    return site.node("Transpose", [input], {"perm": [int(axis) for axis in order]})


@lowers(torch.permute, methods=("permute",))
def permute(
    site: SiteBuilder, input: gs.Tensor, *axes: int | Sequence[int], dims: Sequence[int] | None = None
) -> gs.Tensor:
    """torch.permute(x, (0, 2, 1)), x.permute(0, 2, 1)."""
    given = axes[0] if len(axes) == 1 and isinstance(axes[0], list | tuple) else axes
    order = [site.axis(input, dim) for dim in (given if dims is None else dims)]
    site.require(sorted(order) == list(range(site.rank(input))), f"permute by {order}")
    return _transposed(site, input, order) if order else input


def _swapped(site: SiteBuilder, input: gs.Tensor, first: int, second: int) -> gs.Tensor:
    if site.rank(input) == 0:
        return input
    order = list(range(site.rank(input)))
    one, other = site.axis(input, first), site.axis(input, second)
    order[one], order[other] = order[other], order[one]
    return _transposed(site, input, order)


@lowers(torch.transpose, torch.swapdims, methods=("transpose", "transpose_", "swapdims"))
@numpy_names
def transpose(site: SiteBuilder, input: gs.Tensor, dim0: int, dim1: int) -> gs.Tensor:
    """Two axes swapped."""
    return _swapped(site, input, dim0, dim1)


@lowers(torch.swapaxes, methods=("swapaxes",))
def swapaxes(site: SiteBuilder, input: gs.Tensor, axis0: int, axis1: int) -> gs.Tensor:
    """Two axes swapped, with numpy's names."""
    return _swapped(site, input, axis0, axis1)


@lowers(torch.t, methods=("t", "t_"))
@numpy_names
def t(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """The transpose of a matrix; vectors stay."""
    return _swapped(site, input, 0, 1) if site.rank(input) == 2 else input


@lowers(torch.adjoint, methods=("adjoint",))
def adjoint(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """The last two axes swapped."""
    site.require(site.rank(input) >= 2, f"the transpose of a tensor of rank {site.rank(input)}")
    return _swapped(site, input, -2, -1)


@lowers(getattr)
def attribute(site: SiteBuilder, input: gs.Tensor, name: str) -> gs.Tensor:
    """x.T, x.mT, x.H, x.mH, x.data."""
    site.require(isinstance(input, gs.Tensor), f"the attribute {name} of what is no tensor")
    if name in ("mT", "mH"):
        return adjoint(site, input)
    if name in ("T", "H"):
        order = list(reversed(range(site.rank(input))))
        return _transposed(site, input, order) if order else input
    site.require(name in ("data", "real"), f"Tensor.{name} has no lowering rule")
    return convert(site, input)


@lowers(torch.movedim, torch.moveaxis, methods=("movedim", "moveaxis"))
def movedim(
    site: SiteBuilder, input: gs.Tensor, source: int | Sequence[int], destination: int | Sequence[int]
) -> gs.Tensor:
    """Some axes at given places, the others in their order."""
    sources, destinations = named_axes(site, input, source), named_axes(site, input, destination)
    placed = dict(zip(destinations, sources, strict=True))
    rest = iter(axis for axis in range(site.rank(input)) if axis not in sources)
    return _transposed(site, input, [placed[a] if a in placed else next(rest) for a in range(site.rank(input))])


@lowers(torch.unsqueeze, methods=("unsqueeze", "unsqueeze_"))
@numpy_names
def unsqueeze(site: SiteBuilder, input: gs.Tensor, dim: int) -> gs.Tensor:
    """Unsqueeze-13."""
    rank = len(site.result_sizes)
    site.require(-rank <= dim < rank, f"dimension {dim} of a result of rank {rank}")
    return site.node("Unsqueeze", [input, site.ints([int(dim) % rank])])


@lowers(torch.squeeze, methods=("squeeze", "squeeze_"))
@numpy_names
def squeeze(site: SiteBuilder, input: gs.Tensor, dim: int | Sequence[int] | None = None) -> gs.Tensor:
    """Squeeze-13; which axes go depends on the sizes, unless axes of size 1 are named."""
    dims, rank = site.dims(input), site.rank(input)
    asked = named_axes(site, input, range(rank) if dim is None or not rank else dim)
    axes = [axis for axis in asked if site.sizes(input)[axis] == 1]
    site.require(all(dims[axis] == 1 for axis in axes), "an axis to squeeze follows the batch, which was 1")
    if len(axes) < len(asked) or dim is None:
        site.specialised("which axes are squeezed depends on the traced sizes")
    return site.node("Squeeze", [input, site.ints(axes)]) if axes else input

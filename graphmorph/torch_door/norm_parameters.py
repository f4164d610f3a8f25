"""Scales and shifts of normalization layers as constants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.element_types import numpy_dtype


def optional_parameter(site: SiteBuilder, tensor: torch.Tensor | None) -> gs.Constant | None:
    """A tensor of a module as a constant, if the module has it."""
    return None if tensor is None else site.parameter(tensor)


def filled(site: SiteBuilder, like: gs.Tensor, sizes: Sequence[int], value: float) -> gs.Constant:
    """A constant of one value, in the element type of a tensor."""
    return site.constant(np.full(tuple(sizes), value), numpy_dtype(site.dtype(like)))


def along_channels(site: SiteBuilder, parameter: gs.Tensor, rank: int) -> gs.Tensor:
    """A vector (C,) as (C, 1, ...), which broadcasts along axis 1 of a tensor of that rank."""
    if rank == 2:
        return parameter
    sizes = (*site.dims(parameter), *(1 for _ in range(rank - 2)))
    axes = site.ints(range(1, rank - 1))
    return site.node("Unsqueeze", [parameter, axes], shape=sizes, dtype=site.dtype(parameter))

"""Axes as torch's callers name them: one, or several."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_graphsurgeon as gs

from graphmorph.torch_door.builder import SiteBuilder


def named_axes(site: SiteBuilder, tensor: gs.Tensor, dim: int | Sequence[int]) -> list[int]:
    """The axes, counted from the front."""
    return [site.axis(tensor, one) for one in ([dim] if isinstance(dim, int) else dim)]

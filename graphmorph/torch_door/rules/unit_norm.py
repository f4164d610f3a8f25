"""Division by a local or a whole norm: local response norm (LRN-13) and F.normalize."""

from __future__ import annotations

import math
from typing import Any

import onnx_graphsurgeon as gs
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers, lowers_module
from graphmorph.torch_door.rules.float_attributes import in_float32
from graphmorph.torch_door.traced_numbers import plain_ints, require_floating


@lowers(F.local_response_norm)
def local_response_norm(
    site: SiteBuilder, input: gs.Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> gs.Tensor:
    """LRN-13. For an even size torch looks one channel further back and ONNX one further ahead."""
    require_floating(site, input)
    (size,) = plain_ints(site, size, "size")
    site.require(size % 2 == 1, f"the window of {size} channels is even, where ONNX's is placed otherwise")
    dims, dtype = site.dims(input), site.dtype(input)
    attrs = {
        "size": size,
        "alpha": in_float32(site, input, alpha),
        "beta": in_float32(site, input, beta),
        "bias": in_float32(site, input, k),
    }
    if len(dims) == 4:
        return site.node("LRN", [input], attrs)
    site.require(len(dims) == 3, f"local response norm of rank {len(dims)}")
    # onnxruntime has it for rank 4 only.
    planes = site.node("Unsqueeze", [input, site.ints([3])], shape=(*dims, 1), dtype=dtype)
    planes = site.node("LRN", [planes], attrs, shape=(*dims, 1), dtype=dtype)
    return site.node("Squeeze", [planes, site.ints([3])])


@lowers_module(nn.LocalResponseNorm)
def local_response_norm_module(site: SiteBuilder, module: nn.LocalResponseNorm, input: gs.Tensor) -> gs.Tensor:
    """nn.LocalResponseNorm."""
    return local_response_norm(site, input, module.size, module.alpha, module.beta, module.k)


@lowers(F.normalize)
def normalize(
    site: SiteBuilder, input: gs.Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Any = None
) -> gs.Tensor:
    """x / max(‖x‖_p, eps) along one axis, for p of 1, 2 and infinity."""
    require_floating(site, input)
    site.require(out is None, "out= is not understood")
    site.require(p in (1, 2, math.inf), f"the norm of order {p}")
    dims, dtype = site.dims(input), site.dtype(input)
    axis = site.axis(input, dim)
    reduced = (*dims[:axis], 1, *dims[axis + 1 :])
    x = site.node("Abs", [input], shape=dims, dtype=dtype) if p == math.inf else input
    op = {1.0: "ReduceL1", 2.0: "ReduceL2"}.get(float(p), "ReduceMax")
    norm = site.node(op, [x, site.ints([axis])], {"keepdims": 1}, shape=reduced, dtype=dtype)
    norm = site.node("Clip", [norm, site.scalar(float(eps), input)], shape=reduced, dtype=dtype)
    return site.node("Div", [input, norm])

"""Linear layers: Gemm-13 for matrices, MatMul-13 and Add for anything of higher rank."""

from __future__ import annotations

import onnx_graphsurgeon as gs
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.parameters import ParameterValues
from graphmorph.torch_door.rule_table import lowers, lowers_module


@lowers_module(nn.Linear, nn.modules.linear.NonDynamicallyQuantizableLinear)
def linear_module(site: SiteBuilder, module: nn.Linear, input: gs.Tensor) -> gs.Tensor:
    """weight: (out, in)."""
    vector: torch.Tensor | None = module.bias
    bias = None if vector is None else site.parameter(vector)
    return linear(site, input, site.parameter(module.weight), bias)


@lowers(F.linear)
def linear(site: SiteBuilder, input: gs.Tensor, weight: gs.Tensor, bias: gs.Tensor | None = None) -> gs.Tensor:
    """x W^T + b."""
    site.require(site.rank(weight) == 2, "a weight that is no matrix")
    if site.rank(input) == 2:
        inputs = [input, weight] if bias is None else [input, weight, bias]
        return site.node("Gemm", inputs, {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 1})
    turned = _transposed(site, weight)
    product = site.node("MatMul", [input, turned])
    return product if bias is None else site.node("Add", [product, bias])


def _transposed(site: SiteBuilder, weight: gs.Tensor) -> gs.Tensor:
    """A parameter is read the other way round; anything computed is transposed."""
    if isinstance(weight, gs.Constant) and isinstance(weight._values, ParameterValues):
        return site.parameter(weight._values.source, transposed=not weight._values.transposed)
    sizes = site.dims(weight)[::-1]
    return site.node("Transpose", [weight], {"perm": [1, 0]}, shape=sizes, dtype=site.dtype(weight))

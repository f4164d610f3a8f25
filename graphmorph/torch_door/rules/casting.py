"""Element types, copies, and calls that change nothing that a graph can say."""

from __future__ import annotations

from typing import Any

import onnx_graphsurgeon as gs
import torch
from torch import nn

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers, lowers_module

_TO_A_TYPE = (
    "to",
    "type",
    "type_as",
    "float",
    "double",
    "half",
    "bfloat16",
    "int",
    "long",
    "short",
    "char",
    "byte",
    "bool",
)

_UNCHANGED = ("contiguous", "clone", "detach", "detach_", "requires_grad_", "cpu", "cuda")


@lowers(torch.clone, torch.detach, torch.detach_, methods=(*_TO_A_TYPE, *_UNCHANGED))
def convert(site: SiteBuilder, input: gs.Tensor, *args: Any, **kwargs: Any) -> gs.Tensor:
    """Cast-19 to the type of the torch result, or nothing: the graph has no devices, memory formats or gradients."""
    return site.cast(input, site.result_dtype)


@lowers_module(nn.Identity)
def identity_module(site: SiteBuilder, module: nn.Identity, input: gs.Tensor) -> gs.Tensor:
    """Nothing."""
    return input

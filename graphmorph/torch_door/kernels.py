"""The square kernels of a live module, without a trace: those of its Conv2d layers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from graphmorph.rewrite import Refusal
from graphmorph.square_kernels import SquareKernel, why_not
from graphmorph.torch_door.element_types import array_of, tensor_of


def module_kernels(module: nn.Module) -> Iterator[SquareKernel | Refusal]:
    """Each Conv2d's kernel, or why it is not square with a centre. A shared one is counted at the first layer."""
    counted: dict[int, str] = {}
    for name, layer in module.named_modules():
        if not isinstance(layer, nn.Conv2d):
            continue
        weight = layer._parameters.get("weight")
        if weight is None:
            reason: str | None = "its weight is computed by a parametrisation: remove that first"
        else:
            reason = why_not(tuple(weight.shape), counted.get(id(weight)))
        if reason is None and weight is not None:
            counted[id(weight)] = name
            path = f"{name}.weight" if name else "weight"
            yield SquareKernel(name, path, tuple(weight.shape), partial(array_of, weight))
        else:
            yield Refusal(name, "Conv2d", reason or "")


def norms_of(module: nn.Module) -> int:
    """How many batch normalizations a module has."""
    return sum(isinstance(layer, _BatchNorm) for layer in module.modules())


def store_kernel(module: nn.Module, kernel: SquareKernel, values: NDArray[Any]) -> None:
    """Write new values, (out, in/groups, k, k), into the parameter of one of the module's kernels."""
    with torch.no_grad():
        module.get_parameter(kernel.weight).copy_(tensor_of(values))

"""What rounding does to a module: its outputs after the last bit of what it reads was moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import nn
from torch.func import functional_call

from graphmorph.proof.inputs import jitter
from graphmorph.torch_door.element_types import array_of, tensor_of
from graphmorph.torch_door.flat_module import FlatModule, Interface

_STEPS = {torch.bfloat16: 2.0**-7, torch.float16: 2.0**-10}


def moved_outputs(
    module: nn.Module, interface: Interface, tensors: Sequence[torch.Tensor], seed: int
) -> tuple[torch.Tensor, ...]:
    """The outputs after the inputs were moved by one unit in the last place, at the precision of the weights.

    Where no input is made of floating-point numbers, the parameters are moved instead.
    """
    if any(tensor.is_floating_point() for tensor in tensors):
        moved = _moved({str(index): tensor for index, tensor in enumerate(tensors)}, seed, _precision_step(module))
        return interface.run(module, tuple(moved.values()))
    parameters = _moved(dict(module.named_parameters()), seed, None)
    copies = tuple(tensor.clone() for tensor in tensors)
    outputs: tuple[torch.Tensor, ...] = functional_call(FlatModule(module, interface), parameters, copies)
    return outputs


def _moved(tensors: dict[str, torch.Tensor], seed: int, step: float | None) -> dict[str, torch.Tensor]:
    arrays = jitter({name: array_of(tensor) for name, tensor in tensors.items()}, seed, step)
    return {name: tensor_of(arrays[name]).to(tensor.device) for name, tensor in tensors.items()}


def _precision_step(module: nn.Module) -> float | None:
    """The step of 16-bit floats where more than half of the weights have that type."""
    counts: Counter[torch.dtype] = Counter()
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            counts[tensor.dtype] += tensor.numel()
    return next((step for dtype, step in _STEPS.items() if 2 * counts[dtype] > counts.total()), None)

"""Example inputs for a module that came without: read off its first layer, and tried on fake tensors."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import torch
from torch import nn

from graphmorph.errors import GraphmorphError, UsageError
from graphmorph.torch_door.program import shaped_program

#: Spatial sizes to try, most usual first.
_IMAGES = (224, 32, 28, 64, 256, 299, 128, 16, 10, 8)
_VOLUMES = (32, 16, 64, 8)
_SEQUENCES = (128, 64, 16, 32)

_BATCH = 2


def guessed_inputs(module: nn.Module) -> tuple[torch.Tensor, ...]:
    """One tensor that the module accepts.

    Raises:
        UsageError: it takes several, or none of the usual sizes.
    """
    required = [
        parameter
        for parameter in inspect.signature(module.forward).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    name = type(module).__name__
    if len(required) != 1:
        raise UsageError(f"{name}.forward takes {len(required)} tensors: give example_inputs")
    for example in _candidates(module):
        try:
            shaped_program(module, (example,), (), {})
        except GraphmorphError:
            continue
        return (example,)
    raise UsageError(f"no usual input size fits {name}: give example_inputs")


def _candidates(module: nn.Module) -> Iterator[torch.Tensor]:
    """Inputs for the first layers that the module defines."""
    like = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    generator = torch.Generator().manual_seed(0)

    def drawn(*sizes: int) -> torch.Tensor:
        return torch.randn(sizes, generator=generator).to(like)

    for layer in module.modules():
        if isinstance(layer, nn.modules.conv._ConvNd):
            rank = len(layer.kernel_size)
            for size in {1: _SEQUENCES, 2: _IMAGES, 3: _VOLUMES}[rank]:
                yield drawn(_BATCH, layer.in_channels, *(size,) * rank)
            return
        if isinstance(layer, nn.Linear):
            yield drawn(_BATCH, layer.in_features)
            yield drawn(_BATCH, _SEQUENCES[2], layer.in_features)
            return
        if isinstance(layer, nn.Embedding):
            yield torch.zeros(_BATCH, _SEQUENCES[2], dtype=torch.int64, device=like.device)
            return
        if isinstance(layer, nn.BatchNorm2d):
            yield drawn(_BATCH, layer.num_features, _IMAGES[1], _IMAGES[1])
            return

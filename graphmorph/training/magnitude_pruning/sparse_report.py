"""What is left of a sparse network: weights, neurons, multiply-adds, and the energy that these take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import torch
from torch import nn

from graphmorph.torch_door.examples import ExampleInputs, bound_inputs
from graphmorph.training.magnitude_pruning.masks import MagnitudeMasks

#: Picojoules of a multiplication and an addition of 32-bit floating point numbers in 45 nm CMOS (table V, which is from
#: Horowitz, Computing's energy problem, ISSCC 2014).
MULTIPLY_PJ, ADD_PJ = 3.7, 0.9

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class LayerReport:
    """A weight with a mask.

    neurons: outputs of its layer. fed: those of them with a remaining weight. used: how often each weight is multiplied
    for one sample, None where the weight is not that of a linear layer or a convolution.
    """

    path: str
    shape: tuple[int, ...]
    remaining: int
    neurons: int
    fed: int
    used: int | None

    @property
    def weights(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class SparseReport:
    """All weights with masks, in the order of the module. biases: parameters with one axis, which are not pruned."""

    layers: tuple[LayerReport, ...]
    biases: int

    @property
    def weights(self) -> int:
        return sum(layer.weights for layer in self.layers)

    @property
    def remaining(self) -> int:
        """The paper's figure."""
        return sum(layer.remaining for layer in self.layers)

    @property
    def neurons(self) -> int:
        """Outputs of all layers, those of the last one too."""
        return sum(layer.neurons for layer in self.layers)

    @property
    def fed(self) -> int:
        """Neurons that read anything."""
        return sum(layer.fed for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Of one sample, with weights that are zero left out."""
        return sum(layer.remaining * (layer.used or 0) for layer in self.layers)

    @property
    def dense_multiply_adds(self) -> int:
        return sum(layer.weights * (layer.used or 0) for layer in self.layers)

    @property
    def multiply_energy(self) -> float:
        """Nanojoules of the multiplications of one sample: the paper's 16 nJ for 4,389 weights are these alone."""
        return self.multiply_adds * MULTIPLY_PJ / 1000

    @property
    def energy(self) -> float:
        """Nanojoules of one sample, an addition for each multiplication. Memory is not in it."""
        return self.multiply_adds * (MULTIPLY_PJ + ADD_PJ) / 1000

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        names = ("weights", "remaining", "neurons", "fed", "multiply_adds", "dense_multiply_adds")
        return {
            **{name: getattr(self, name) for name in names},
            "biases": self.biases,
            "multiply_energy_nj": self.multiply_energy,
            "energy_nj": self.energy,
            "layers": [asdict(layer) for layer in self.layers],
        }


def sparse_report(masks: MagnitudeMasks, example_inputs: ExampleInputs) -> SparseReport:
    """Count what is left. The module runs once, in evaluation mode."""
    module = masks.module
    used = _uses(module, example_inputs)
    layers = []
    for path, weight in masks.weights.items():
        kept, owner = masks.kept[path], module.get_submodule(path.rpartition(".")[0])
        axis = 1 if isinstance(owner, _TRANSPOSED) else 0
        fed = kept.movedim(axis, 0).flatten(1).any(1)
        groups = owner.groups if isinstance(owner, _TRANSPOSED) else 1
        if groups > 1:  # (in, out/groups, *kernel): each group has outputs of its own
            fed = kept.unflatten(0, (groups, -1)).movedim(2, 1).flatten(0, 1).flatten(1).any(1)
        layers.append(
            LayerReport(path, tuple(weight.shape), int(kept.sum()), fed.numel(), int(fed.sum()), used.get(path))
        )
    return SparseReport(tuple(layers), sum(p.numel() for p in module.parameters() if p.dim() == 1))


def _uses(module: nn.Module, example_inputs: ExampleInputs) -> dict[str, int]:
    """How often each weight of a linear layer or a convolution is multiplied for one sample, by path."""
    inputs = bound_inputs(module, example_inputs)
    training = {one: one.training for one in module.modules()}
    with _counting(module) as found, torch.no_grad():
        try:
            module.eval()(**inputs)
        finally:
            for one, mode in training.items():
                one.training = mode
    return found


@contextmanager
def _counting(module: nn.Module) -> Iterator[dict[str, int]]:
    found: dict[str, int] = {}

    def hook(path: str) -> Any:
        def count(layer: nn.Module, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            found[path] = found.get(path, 0) + _positions(layer, given[0], output)

        return count

    handles = [
        layer.register_forward_hook(hook(f"{path}.weight" if path else "weight"))
        for path, layer in module.named_modules()
        if isinstance(layer, (nn.Linear, *_CONVOLUTIONS, *_TRANSPOSED))
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _positions(layer: nn.Module, given: torch.Tensor, output: torch.Tensor) -> int:
    """Places of one sample at which a layer applies its weight."""
    if isinstance(layer, nn.Linear):
        return prod(output.shape[1:-1])
    return prod((given if isinstance(layer, _TRANSPOSED) else output).shape[2:])

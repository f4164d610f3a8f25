"""Give a freshly built model the statistics of a trained one, without training it."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Module = TypeVar("Module", bound=nn.Module)

SMALLEST_VARIANCE = 0.05  # a channel that a ReLU killed would otherwise be divided by sqrt(eps)
CALIBRATION_SAMPLES = 16  # with fewer, deep models drift away from the samples they were measured on


def randomise(module: Module, seed: int, example: Tensor) -> Module:
    """Randomise ``module`` in place and return it in eval mode; deterministic for a given ``seed``.

    Gammas lie around 1 with both signs, betas around 0. Running statistics are those that each normalisation
    meets on random samples of the shape of ``example`` (batch, ...), disturbed a little, so that no
    normalisation is the exact inverse of its input. Each is set, in the order of execution, before the next
    layer is measured: activations stay O(1) in eval mode, however deep the model is.
    """
    generator = torch.Generator().manual_seed(seed)
    module.eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            _randomise_parameter(name, parameter, generator)
        norms = [child for child in module.modules() if isinstance(child, _BatchNorm)]
        for norm in norms:
            _randomise_affine(norm, generator)
        if norms:
            _calibrate(module, norms, example, generator)
    return module


def _normal(shape: torch.Size | tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _randomise_parameter(name: str, parameter: Tensor, generator: torch.Generator) -> None:
    noise = _normal(parameter.shape, generator)
    if parameter.dim() > 1:
        parameter.copy_(noise * (2.0 / parameter[0].numel()) ** 0.5)
    else:  # a bias, or the factor of a scalar affine
        parameter.copy_(0.2 * noise + (1.0 if name.endswith("scale") else 0.0))


def _randomise_affine(norm: _BatchNorm, generator: torch.Generator) -> None:
    uniform = torch.rand((2, norm.num_features), generator=generator, dtype=torch.float64)
    sign = torch.where(uniform[0] < 0.2, -1.0, 1.0)
    norm.weight.copy_(sign * (0.6 + 0.8 * uniform[1]))
    norm.bias.copy_(0.3 * _normal((norm.num_features,), generator))


def _calibrate(module: nn.Module, norms: list[_BatchNorm], example: Tensor, generator: torch.Generator) -> None:
    def measure(norm: nn.Module, inputs: tuple[Any, ...]) -> None:
        if isinstance(norm, _BatchNorm):
            _set_statistics(norm, inputs[0], generator)

    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    samples = _normal((CALIBRATION_SAMPLES, *example.shape[1:]), generator)
    module(samples.to(example.dtype))
    for hook in hooks:
        hook.remove()


def _set_statistics(norm: _BatchNorm, x: Tensor, generator: torch.Generator) -> None:
    """Set the statistics of ``norm`` from its input ``x`` (batch, channels, ...), disturbed a little."""
    if norm.running_mean is None or norm.running_var is None:
        return
    by_channel = x.double().transpose(0, 1).flatten(1)
    variance = by_channel.var(1).clamp(min=SMALLEST_VARIANCE)
    shift = 0.1 * variance.sqrt() * _normal((norm.num_features,), generator)
    factor = 0.8 + 0.4 * torch.rand(norm.num_features, generator=generator, dtype=torch.float64)
    norm.running_mean.copy_(by_channel.mean(1) + shift)
    norm.running_var.copy_(variance * factor)

"""Activations, as modules; those with parameters of torch's own choosing where ONNX's say the same."""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

from graphmorph.torch_door.translation.operands import element_type, known_rank, require
from graphmorph.torch_door.translation_table import Translation, translates

_SELU_ALPHA = 1.67326319217681884765625
_SELU_GAMMA = 1.05070102214813232421875

_PLAIN: dict[str, tuple[type[nn.Module], tuple[int, ...]]] = {
    "Relu": (nn.ReLU, (6, 13, 14)),
    "Sigmoid": (nn.Sigmoid, (6, 13)),
    "Tanh": (nn.Tanh, (6, 13)),
    "HardSwish": (nn.Hardswish, (14, 22)),
    "Softsign": (nn.Softsign, (1, 22)),
    "Mish": (nn.Mish, (18, 22)),
}


def _plain(module: type[nn.Module]) -> Callable[[Translation], fx.Node]:
    def activation(t: Translation) -> fx.Node:
        return t.layer(module)

    return activation


for _op, (_module, _versions) in _PLAIN.items():
    translates(_op, *_versions)(_plain(_module))


@translates("LeakyRelu", 6, 16)
def leaky_relu(t: Translation) -> fx.Node:
    """x where x >= 0, else alpha x."""
    return t.layer(lambda: nn.LeakyReLU(float(t.attr("alpha", 0.01))))


@translates("Elu", 6, 22)
def elu(t: Translation) -> fx.Node:
    """x where x >= 0, else alpha (exp(x) - 1)."""
    return t.layer(lambda: nn.ELU(float(t.attr("alpha", 1.0))))


@translates("Celu", 12, 28)
def celu(t: Translation) -> fx.Node:
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1))."""
    return t.layer(lambda: nn.CELU(float(t.attr("alpha", 1.0))))


@translates("Selu", 6, 22)
def selu(t: Translation) -> fx.Node:
    """gamma x where x > 0, else gamma alpha (exp(x) - 1); nn.SELU is that for the values of the paper."""
    alpha, gamma = float(t.attr("alpha", _SELU_ALPHA)), float(t.attr("gamma", _SELU_GAMMA))
    if np.float32(alpha) == np.float32(_SELU_ALPHA) and np.float32(gamma) == np.float32(_SELU_GAMMA):
        return t.layer(nn.SELU)
    return t.call(operator.mul, t.call(functional.elu, t.value(0), alpha), gamma)


@translates("HardSigmoid", 6, 22)
def hard_sigmoid(t: Translation) -> fx.Node:
    """max(0, min(1, alpha x + beta)); nn.Hardsigmoid is that for 1/6 and 1/2."""
    alpha, beta = float(t.attr("alpha", 0.2)), float(t.attr("beta", 0.5))
    if np.float32(alpha) == np.float32(1 / 6) and beta == 0.5:
        return t.layer(nn.Hardsigmoid)
    scaled = t.call(operator.add, t.call(operator.mul, t.value(0), alpha), beta)
    return t.call(torch.clamp, scaled, 0.0, 1.0)


@translates("Softplus", 1, 22)
def softplus(t: Translation) -> fx.Node:
    """log(1 + exp(x)); torch writes x above a threshold, which must be where the difference is below rounding."""
    threshold = 20.0 if element_type(t.node.inputs[0]) in (torch.float32, torch.float16) else 40.0
    return t.layer(lambda: nn.Softplus(threshold=threshold))


@translates("Gelu", 20)
def gelu(t: Translation) -> fx.Node:
    """x Phi(x), or its approximation with tanh."""
    return t.layer(lambda: nn.GELU(approximate=t.attr("approximate", "none")))


@translates("Swish", 24)
def swish(t: Translation) -> fx.Node:
    """x sigmoid(alpha x)."""
    alpha = float(t.attr("alpha", 1.0))
    if alpha == 1.0:
        return t.layer(nn.SiLU)
    return t.call(operator.mul, t.value(0), t.call(torch.sigmoid, t.call(operator.mul, t.value(0), alpha)))


@translates("ThresholdedRelu", 10, 22)
def thresholded_relu(t: Translation) -> fx.Node:
    """x where x > alpha, else 0."""
    return t.layer(lambda: nn.Threshold(float(t.attr("alpha", 1.0)), 0.0))


@translates("Shrink", 9)
def shrink(t: Translation) -> fx.Node:
    """x + bias below -lambd, x - bias above lambd, else 0."""
    lambd, bias = float(t.attr("lambd", 0.5)), float(t.attr("bias", 0.0))
    if bias == 0.0:
        return t.layer(lambda: nn.Hardshrink(lambd))
    require(t, bias == lambd, f"bias {bias} is neither 0 nor lambd {lambd}, so it is neither hard nor soft shrinkage")
    return t.layer(lambda: nn.Softshrink(lambd))


@translates("PRelu", 7, 9, 16)
def prelu(t: Translation) -> fx.Node:
    """x where x >= 0, else slope x; slope is broadcast to x, and nn.PReLU has one for all or one a channel."""
    if t.is_constant(1):
        sizes, rank = np.shape(t.array(1)), known_rank(t)
        count = int(np.prod(sizes))
        # Axis 1 of x is axis 1 - rank of the slope, counted from the end.
        along_channels = rank is not None and len(sizes) >= rank - 1 >= 1 and sizes[1 - rank] == count
        if count == 1 or along_channels:
            return t.layer(lambda: _prelu_module(t, count))
    x = t.value(0)
    negative = t.call(operator.mul, t.value(1), x)
    return t.call(torch.where, t.call(operator.lt, x, 0), negative, x)


def _prelu_module(t: Translation, count: int) -> nn.Module:
    """nn.PReLU with weight (count,)."""
    module = nn.PReLU(count, device="meta")
    module.weight = t.vector(1)
    return module

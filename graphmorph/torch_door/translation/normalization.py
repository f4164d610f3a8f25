"""Normalisations by what is in one example, as modules where scale and bias are constant."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from graphmorph.torch_door.translation.operands import (
    is_read,
    rank_of,
    require,
    shared_type,
    size_at,
)
from graphmorph.torch_door.translation_table import Translation, translates

_INSTANCE: dict[int, type[nn.Module]] = {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d, 5: nn.InstanceNorm3d}
_EPSILON = 1e-5


@translates("InstanceNormalization", 6, 22)
def instance_normalization(t: Translation) -> fx.Node:
    """Every channel of every example by its own mean and variance; nn.GroupNorm says it where there is one element."""
    rank, epsilon = rank_of(t), float(t.attr("epsilon", _EPSILON))
    single = all(size_at(t, axis) == 1 for axis in range(2, rank))
    require(t, rank >= 2, f"its input has rank {rank}", "torch normalises tensors with channels")
    if not (t.is_constant(1) and t.is_constant(2)):
        require(t, not single, "its scale is not constant and it normalises single elements")
        return t.call(functional.instance_norm, t.value(0), weight=t.value(1), bias=t.value(2), eps=epsilon)
    if single or rank not in _INSTANCE:
        return t.layer(lambda: _group_module(t, int(t.array(1).size), epsilon))
    cls = _INSTANCE[rank]
    return t.layer(lambda: _instance_module(t, cls, epsilon))


def _instance_module(t: Translation, cls: type[Any], epsilon: float) -> nn.Module:
    module: nn.Module = cls(int(t.array(1).size), eps=epsilon, affine=True, device="meta")
    return _with_parameters(t, module)


def _with_parameters(t: Translation, module: nn.Module) -> nn.Module:
    """A module with scale and, where there is one, bias."""
    module.weight = t.parameter(1)
    if t.has(2):
        module.bias = t.parameter(2)
    return module


def _group_module(t: Translation, groups: int, epsilon: float) -> nn.Module:
    return _with_parameters(t, nn.GroupNorm(groups, int(t.array(1).size), eps=epsilon, device="meta"))


@translates("GroupNormalization", 21)
def group_normalization(t: Translation) -> fx.Node:
    """Groups of channels by their own mean and variance; scale and bias are per channel (version 21)."""
    groups, epsilon = int(t.attr("num_groups")), float(t.attr("epsilon", _EPSILON))
    if t.is_constant(1) and t.is_constant(2):
        return t.layer(lambda: _group_module(t, groups, epsilon))
    return t.call(functional.group_norm, t.value(0), groups, t.value(1), t.value(2), epsilon)


@translates("LayerNormalization", 17)
def layer_normalization(t: Translation) -> fx.Node:
    """The axes from `axis` on by their mean and variance; scale and bias must cover these axes."""
    require(t, not is_read(t, 1) and not is_read(t, 2), "it gives mean or deviation, which torch does not")
    shape, epsilon = _normalized_shape(t), float(t.attr("epsilon", _EPSILON))
    if t.is_constant(1) and (not t.has(2) or t.is_constant(2)):
        return t.layer(
            lambda: _with_parameters(t, nn.LayerNorm(shape, eps=epsilon, bias=t.has(2), device="meta")), t.value(0)
        )
    bias = t.value(2) if t.has(2) else None
    return t.call(functional.layer_norm, t.value(0), shape, t.value(1), bias, epsilon)


@translates("RMSNormalization", 23)
def rms_normalization(t: Translation) -> fx.Node:
    """The axes from `axis` on by their root mean square; the scale must cover these axes."""
    shape, epsilon = _normalized_shape(t), float(t.attr("epsilon", _EPSILON))
    if t.is_constant(1):
        return t.layer(lambda: _with_parameters(t, nn.RMSNorm(shape, eps=epsilon, device="meta")), t.value(0))
    return t.call(functional.rms_norm, t.value(0), shape, t.value(1), epsilon)


def _normalized_shape(t: Translation) -> list[int]:
    """The sizes of the normalised axes; torch needs scale and bias of exactly these, where ONNX broadcasts them."""
    axis = int(t.attr("axis", -1))
    count = -axis if axis < 0 else rank_of(t) - axis
    shapes = [t.dims(index) for index in (1, 2) if t.has(index)]
    scale = shapes[0]
    sizes = [n for n in scale or () if isinstance(n, int)]
    known = scale is not None and len(sizes) == len(scale)
    require(t, known and all(shape == scale for shape in shapes), "its scale and bias are not of one known shape")
    require(t, len(sizes) == count, f"its scale has shape {sizes}, but {count} axes are normalised")
    for place, size in enumerate(sizes, start=-count):
        # A scale of size 1 may be one that is broadcast.
        require(t, size > 1 or size_at(t, place) == 1, f"its scale of shape {sizes} is broadcast along axis {place}")
    return sizes


@translates("LRN", 1, 13)
def local_response_normalization(t: Translation) -> fx.Node:
    """x / (bias + alpha / size * the sum of squares over `size` channels) ** beta; odd sizes are centred in both."""
    size = int(t.attr("size"))
    require(t, size % 2 == 1, f"size {size} is even, and torch's window then lies one channel further back")
    alpha, beta = float(t.attr("alpha", 0.0001)), float(t.attr("beta", 0.75))
    return t.layer(lambda: nn.LocalResponseNorm(size, alpha, beta, float(t.attr("bias", 1.0))))


@translates("LpNormalization", 1, 22)
def lp_normalization(t: Translation) -> fx.Node:
    """x divided by its norm along an axis; torch divides by at least `eps`, here the least number that is not 0."""
    p, axis, numbers = int(t.attr("p", 2)), int(t.attr("axis", -1)), torch.finfo(shared_type(t))
    return t.call(functional.normalize, t.value(0), float(p), axis, numbers.tiny * numbers.eps)

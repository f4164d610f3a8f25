"""Clip, as the module that says the same where there is one."""

from __future__ import annotations

import torch
from torch import fx, nn

from graphmorph.torch_door.translation.operands import (
    Value,
    as_tensor,
    constant_number,
    is_float,
    shared_type,
    traced,
)
from graphmorph.torch_door.translation_table import Translation, translates


@translates("Clip", 6, 11, 12, 13)
def clip(t: Translation) -> fx.Node:
    """min(max(x, min), max), each bound optional; max wins where min is above it, as in torch.

    The bounds are attributes in version 6, and inputs since.
    """
    if t.version < 11:
        return _clip(t, t.attr("min"), t.attr("max"))
    low, high = (_bound(t, index) if t.has(index) else None for index in (1, 2))
    if not isinstance(low, fx.Node) and not isinstance(high, fx.Node):
        return _clip(t, low, high)
    x = traced(t)
    bounds = [None if bound is None else as_tensor(t, bound, x) for bound in (low, high)]
    return t.call(torch.clamp, x, *bounds)


def _bound(t: Translation, index: int) -> Value:
    return constant_number(t, index) if t.is_constant(index) else traced(t, index)


def _clip(t: Translation, low: float | None, high: float | None) -> fx.Node:
    if low is None and high is None:
        return traced(t)
    if low is None or high is None or not low < high or not is_float(shared_type(t, 1, 2)):
        return t.call(torch.clamp, t.value(0), low, high)
    if (low, high) == (0.0, 6.0):
        return t.layer(nn.ReLU6)
    return t.layer(lambda: nn.Hardtanh(low, high))

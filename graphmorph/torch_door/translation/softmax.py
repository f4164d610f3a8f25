"""Softmax and its logarithm: along one axis from version 13 on, over all axes from `axis` on before that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from graphmorph.torch_door.translation.operands import axis_of, known_rank
from graphmorph.torch_door.translation_table import Translation, translates


@translates("Softmax", 1, 11, 13)
def softmax(t: Translation) -> fx.Node:
    """exp(x), divided by its sum."""
    return _softmax(t, nn.Softmax, torch.softmax)


@translates("LogSoftmax", 1, 11, 13)
def log_softmax(t: Translation) -> fx.Node:
    """The logarithm of the softmax."""
    return _softmax(t, nn.LogSoftmax, torch.log_softmax)


def _softmax(t: Translation, module: type[Any], function: Callable[..., Any]) -> fx.Node:
    if t.version >= 13:
        return t.layer(lambda: module(int(t.attr("axis", -1))))
    axis, rank, x = int(t.attr("axis", 1)), known_rank(t), t.value(0)
    if axis == -1 or (rank is not None and axis == rank - 1):
        return t.layer(lambda: module(-1))
    flat = t.call(torch.flatten, x, axis_of(t, axis))
    return t.method("view_as", t.call(function, flat, -1), x)


@translates("Hardmax", 13)
def hardmax(t: Translation) -> fx.Node:
    """1 where the first greatest element along the axis is, 0 elsewhere."""
    axis, x = int(t.attr("axis", -1)), t.value(0)
    place = t.call(torch.argmax, x, axis, True)
    return t.call(torch.scatter, t.call(torch.zeros_like, x), axis, place, 1.0)

"""Comparison, logic and selection."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from graphmorph.torch_door.translation.operands import as_tensor, type_of, values_of
from graphmorph.torch_door.translation_table import Translation, translates

_TABLE: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "Equal": (operator.eq, (7, 11, 13, 19)),
    "Less": (operator.lt, (7, 9, 13)),
    "LessOrEqual": (operator.le, (12, 16)),
    "Greater": (operator.gt, (7, 9, 13)),
    "GreaterOrEqual": (operator.ge, (12, 16)),
    "And": (operator.and_, (7,)),
    "Or": (operator.or_, (7,)),
    "Xor": (operator.xor, (7,)),
    "Not": (torch.logical_not, (1,)),
}


def _calls(function: Callable[..., Any]) -> Callable[[Translation], fx.Node]:
    def compare(t: Translation) -> fx.Node:
        return t.call(function, *values_of(t))

    return compare


for _op, (_function, _versions) in _TABLE.items():
    translates(_op, *_versions)(_calls(_function))


@translates("Where", 9, 16)
def where(t: Translation) -> fx.Node:
    """x where the condition holds, else y."""
    condition, x, y = values_of(t)
    like = next(value for value in (condition, x, y) if isinstance(value, fx.Node))
    condition = as_tensor(t, condition, like, torch.bool)
    if not isinstance(x, fx.Node) and not isinstance(y, fx.Node):
        x = as_tensor(t, x, like, type_of(t, 1))
    return t.call(torch.where, condition, x, y)

"""Concat."""

from __future__ import annotations

import torch
from torch import fx

from graphmorph.torch_door.translation.operands import values_of
from graphmorph.torch_door.translation_table import Translation, translates


@translates("Concat", 4, 11, 13)
def concat(t: Translation) -> fx.Node:
    """All inputs, one after the other along an axis."""
    return t.call(torch.cat, values_of(t), int(t.attr("axis")))

"""Dropout, in the mode that its node is in."""

from __future__ import annotations

import torch
from torch import fx, nn

from graphmorph.torch_door.translation.operands import constant_number, is_read, require
from graphmorph.torch_door.translation_table import Translation, translates


@translates("Dropout", 7, 10, 12, 13, 22)
def dropout(t: Translation) -> fx.Node | tuple[fx.Node, ...]:
    """nn.Dropout(ratio), in training mode where training_mode says so, which it cannot before version 12."""
    if t.version < 12:
        return _dropout(t, float(t.attr("ratio", 0.5)), training=False)
    ratio = float(constant_number(t, 1)) if t.has(1) else 0.5
    return _dropout(t, ratio, training=t.has(2) and bool(constant_number(t, 2)))


def _dropout(t: Translation, ratio: float, training: bool) -> fx.Node | tuple[fx.Node, ...]:
    result = t.layer(lambda: nn.Dropout(ratio).train(training))
    if not is_read(t, 1):
        return result
    require(t, not training, "its mask is an output, which torch does not give", "remove the output for the mask")
    return result, t.call(torch.ones_like, t.value(0), dtype=torch.bool)

"""Conv and ConvTranspose, grouped and depthwise too."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from graphmorph.channels.values.contraction import Columns, Sums, Weights, contract, contract_each
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.rounding import lower, upper
from graphmorph.channels.values.view import View


@rule("Conv")
def _conv(view: View) -> None:
    """Padding counts as soon as there may be some: a constant other than 0 is none at the border."""
    padded = any(view.attribute("pads", ())) or str(view.attribute("auto_pad", "NOTSET")).startswith("SAME")
    group, rows = int(view.attribute("group", 1)), view.outline(1).sizes[0]
    each = rows // group

    def weights(g: int) -> Weights:
        return lambda: _with_taps(view.array(1)[g * each : (g + 1) * each])

    _give(view, group, rows, weights, padded=padded)


@rule("ConvTranspose")
def _conv_transpose(view: View) -> None:
    """Which taps reach an output position depends on the position, with padding or without."""
    group, shape = int(view.attribute("group", 1)), view.outline(1).sizes
    wide = shape[0] // group

    def weights(g: int) -> Weights:
        return lambda: np.swapaxes(_with_taps(view.array(1)[g * wide : (g + 1) * wide]), 0, 1)

    _give(view, group, group * shape[1], weights, padded=True)


def _with_taps(weight: np.ndarray) -> np.ndarray:
    return weight.reshape(*weight.shape[:2], -1)


def _give(view: View, group: int, rows: int, weights: Callable[[int], Weights], *, padded: bool) -> None:
    """weights: of each group, [rows, columns, taps]."""
    x = view.told_apart(view.collapsed(view.fact(0), but=(1,)), 1)
    channels = x.sizes[1]
    if x.number.size != channels or channels % group or rows % group:
        raise LookupError("the channels do not fit the weights")
    columns = Columns.along(x, padded=padded)
    tag = (view.operation, view.outline(1).sizes[2:], x.slice_shape)
    wide = channels // group
    if wide == 1:
        own = columns.part(np.repeat(np.arange(channels), rows // group))
        sums = contract_each(view.numbering, tag, own, lambda: view.array(1).reshape(rows, -1))
    else:
        sums = joined(
            [
                contract(view.numbering, tag, columns.part(slice(g * wide, (g + 1) * wide)), weights(g))
                for g in range(group)
            ]
        )
    give_sums(view, sums, 1, view.value(2).reshape(-1) if view.has(2) else None)


def joined(parts: Sequence[Sums]) -> Sums:
    """The rows of all parts, one after the other."""
    return Sums(
        np.concatenate([part.number for part in parts]),
        np.concatenate([part.constant for part in parts]),
        np.concatenate([part.low for part in parts]),
        np.concatenate([part.high for part in parts]),
    )


def give_sums(view: View, sums: Sums, axis: int, bias: np.ndarray | None) -> None:
    """Sums, and a bias added to each, along an axis of the output."""
    outline = view.output_outline()
    if bias is not None:
        number = view.combine("bias", sums.number, view.numbering.of_constants(bias))
        sums = Sums(
            np.where(bias == 0, sums.number, number),
            sums.constant + bias,
            lower([sums.low, bias], outline.dtype),
            upper([sums.high, bias], outline.dtype),
        )
    extents = tuple(-1 if a == axis else 1 for a in range(outline.rank))
    view.give(
        sums.number.reshape(extents),
        sums.constant.reshape(extents),
        sums.low.reshape(extents),
        sums.high.reshape(extents),
    )

"""Pad, in all of its modes."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.values.fact import Fact
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.rounding import is_floating
from graphmorph.channels.values.telling import settle
from graphmorph.channels.values.view import View


@rule("Pad")
def _pad(view: View) -> None:
    """Operator Pad: pads and value are attributes before version 11, inputs since; axes came with version 18."""
    x = view.fact(0)
    pads = pads_of(view, x.rank)
    if min((n for pair in pads for n in pair), default=0) < 0:
        raise LookupError("it crops")
    mode = str(view.attribute("mode", "constant"))
    if mode == "constant":
        _with_constant(view, x, pads)
        return
    x = view.collapsed(x, but=tuple(axis for axis in range(x.rank) if pads[axis] == (0, 0)))
    view.give(view.combine(("Pad", mode, pads, x.slice_shape), x.number), x.constant, x.low, x.high)


def pads_of(view: View, rank: int) -> tuple[tuple[int, int], ...]:
    """Before and behind each axis: an attribute before version 11, an input since.

    Raises:
        LookupError: they are not constant.
    """
    given = view.integers(1) if view.has(1) else [int(n) for n in view.attribute("pads", ())]
    axes = [a % rank for a in view.integers(3)] if view.has(3) else list(range(rank))
    if len(given) != 2 * len(axes):
        raise LookupError("the pads do not fit the axes")
    found = [(0, 0)] * rank
    for place, axis in enumerate(axes):
        found[axis] = given[place], given[place + len(axes)]
    return tuple(found)


def value_of(view: View) -> float:
    """What a Pad with a constant fills in."""
    return float(view.value(2).reshape(-1)[0]) if view.has(2) else float(view.attribute("value", 0.0))


def _with_constant(view: View, x: Fact, pads: tuple[tuple[int, int], ...]) -> None:
    if not is_floating(x.dtype):
        raise LookupError("only numbers of floating-point types are padded")
    value = value_of(view)
    outer = tuple(pair if x.told_apart(axis) else (0, 0) for axis, pair in enumerate(pads))
    inner = tuple((0, 0) if x.told_apart(axis) else pair for axis, pair in enumerate(pads))
    constant, low, high, number = x.constant, x.low, x.high, x.number
    if any(pair != (0, 0) for pair in inner):
        constant = np.where(constant == value, constant, np.nan)
        low, high = np.minimum(low, value), np.maximum(high, value)
        number = view.combine(("Pad", value, inner, x.slice_shape), number)
    filler = int(view.numbering.of_constants(np.array([value]))[0])
    view.outputs[0] = settle(
        view.numbering,
        view.output_outline(),
        np.pad(number, outer, constant_values=filler),
        *(np.pad(array, outer, constant_values=value) for array in (constant, low, high)),
    )

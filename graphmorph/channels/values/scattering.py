"""ScatterND: a block of a tensor is written over, as assigning to a slice does."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.values.elementwise import aligned
from graphmorph.channels.values.fact import Fact, Outline
from graphmorph.channels.values.regions import region_of, visible
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.telling import agreed, settle
from graphmorph.channels.values.view import View


@rule("ScatterND")
def _scatter_nd(view: View) -> None:
    """Operator ScatterND without a reduction, where its indices span a block.

    Values and bounds are those of what can be seen: what later writes cover does not count.
    """
    region, layers = region_of(view), visible(view)
    outline = view.fact(0).outline
    if any(layer.fact.rank != outline.rank for layer in layers):
        raise LookupError("what is written has another rank")
    partial = frozenset[int]().union(*(layer.partial for layer in layers), region.partial)
    kept = tuple(axis for axis in range(outline.rank) if axis not in partial)
    pieces = [_spread(view.collapsed(layer.fact, but=kept), outline) for layer in layers]
    under = _spread(view.collapsed(view.fact(0), but=kept), outline)
    fixed = [layer.is_constant for layer in layers]
    under, *pieces = aligned(view.numbering, [under, *pieces], [view.is_constant(0), *fixed])
    number = pieces[0].number
    if region.partial:
        number = view.combine(("ScatterND", region.key, under.slice_shape), under.number, pieces[0].number)
    constant = agreed([piece.constant for piece in pieces])
    low = np.min(np.broadcast_arrays(*[piece.low for piece in pieces]), axis=0)
    high = np.max(np.broadcast_arrays(*[piece.high for piece in pieces]), axis=0)
    view.outputs[0] = settle(view.numbering, view.output_outline(), number, constant, low, high)


def _spread(fact: Fact, outline: Outline) -> Fact:
    """Facts about a part, as they are broadcast over the whole."""
    extents = tuple(n if n in (1, size) else 0 for n, size in zip(fact.extents, outline.sizes, strict=True))
    if 0 in extents:
        raise LookupError("a part does not fit the whole")
    return fact.reshaped(outline.retyped(fact.dtype), extents)

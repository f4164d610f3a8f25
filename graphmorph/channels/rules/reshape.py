"""Reshape and Flatten: axes are products of common factors; a factor passes on, two free ones are a choice."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.elements import WALL, Axes, Axis, Ids, Option
from graphmorph.channels.factors import Block, Span, aligned
from graphmorph.channels.view import View, rule


@rule("Reshape", "Flatten")
def reshape(view: View) -> None:
    """Reshape and Flatten, by the sizes of one run."""
    given, wanted = view.size(0), view.output_size()
    blocks = aligned(given, wanted)
    if blocks is None:
        view.stop(f"sizes {given} and {wanted}")
        return
    outputs: list[Axis] = [None] * len(wanted)
    for block in blocks:
        for place, ids in _reshaped(view, view.axes(0), block).items():
            outputs[place] = ids
    view.give(tuple(outputs))


def _reshaped(view: View, x: Axes, block: Block) -> dict[int, Axis]:
    """The axes of the output that a block makes."""
    if len(block.inputs) == len(block.outputs) == 1:
        return {block.outputs[0].axis: x[block.inputs[0].axis]}
    alive = _factors_alive(x, block)
    if not block.factors or not alive:
        for span in block.inputs:
            view.wall(x[span.axis], "is cut or merged in a way that has no common factors")
        return {}
    if len(alive) == 1:
        return _passed_on(view, x, block, next(iter(alive)))
    return _chosen(view, x, block, alive)


def _factors_alive(x: Axes, block: Block) -> set[int]:
    """Factors along which elements differ: the others are walls."""
    alive: set[int] = set()
    for span in block.inputs:
        ids = x[span.axis]
        if ids is None or not (ids != WALL).any():
            continue
        for factor in span.factors():
            if _varies(ids, block, span, factor):
                alive.add(factor)
    return alive


def _varies(ids: Ids, block: Block, span: Span, factor: int) -> bool:
    view = block.along(ids, span, factor)
    return bool((view != view[:1]).any())


def _passed_on(view: View, x: Axes, block: Block, factor: int) -> dict[int, Axis]:
    """One factor is free: its elements are repeated wherever it is part of an axis."""
    source = next(span for span in block.inputs if factor in span.factors())
    ids = x[source.axis]
    assert ids is not None
    own = np.ascontiguousarray(block.along(ids, source, factor)[:, 0])
    return {span.axis: block.spread(own, span, factor) for span in block.outputs if factor in span.factors()}


def _chosen(view: View, x: Axes, block: Block, alive: set[int]) -> dict[int, Axis]:
    """Several factors are free, and only one of them can shrink."""
    outputs: dict[int, Axis] = {}
    for span in block.outputs:
        outputs[span.axis] = view.fresh(block.size(span)) if alive & set(span.factors()) else None
    sides = [(span, x[span.axis]) for span in block.inputs] + [(span, outputs[span.axis]) for span in block.outputs]
    present = [(span, ids) for span, ids in sides if ids is not None]
    options = []
    for factor in sorted(alive):
        rows = [block.along(ids, span, factor) for span, ids in present if factor in span.factors()]
        walls = tuple(ids for span, ids in present if factor not in span.factors())
        size = block.factors[factor]
        name = f"whole slices of the factor {size} of {'x'.join(map(str, block.factors))}"
        options.append(Option(name, (np.concatenate(rows, axis=1),), walls, float(size)))
    view.choose("an axis is cut into factors, or made of them", options)
    return outputs

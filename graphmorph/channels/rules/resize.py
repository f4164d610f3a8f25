"""Resize: channels pass where they are not resized, space does not."""

from __future__ import annotations

from graphmorph.channels.view import View, rule


@rule("Resize", "Upsample")
def resize(view: View) -> None:
    """x (N, C, ...): an axis that keeps its size, for good, passes."""
    x = view.axes(0)
    output = view.node.outputs[0].name
    found = []
    for place, (before, after) in enumerate(zip(view.size(0), view.output_size(), strict=True)):
        passes = before == after and (place < 2 or not view.sizes.is_free(output, place))
        if not passes or place >= 2:
            view.wall(x[place], "is resized")
        found.append(x[place] if passes and place < 2 else None)
    view.give(tuple(found))


@rule("GridSample")
def grid_sample(view: View) -> None:
    """GridSample: x (N, C, ...), grid (N, ..., 2) -> (N, C, ...)."""
    x = view.axes(0)
    view.wall_all(0, "is sampled at a grid", but=(0, 1))
    view.wall_all(1, "is a grid to sample at")
    view.give((x[0], x[1], *(None,) * (len(x) - 2)))

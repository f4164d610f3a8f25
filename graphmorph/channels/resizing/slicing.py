"""Slice: bounds along an axis that gains or loses elements count what is there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.resizing.picking import new_places
from graphmorph.channels.resizing.resized import Resized, resizer

#: Beyond the end of any axis.
_END = 2**31 - 1


@dataclass
class Bounds:
    """Starts, ends and steps, one of each an axis."""

    axes: list[int]
    starts: list[int]
    ends: list[int]
    steps: list[int]


@resizer("Slice")
def slice_axes(node: Resized) -> None:
    """Slice: starts, ends and axes are attributes before opset 10, then inputs, as steps are."""
    attributes = "starts" in node.node.attrs
    axes = _axes(node, attributes)
    if all(node.places(0, axis) is None for axis in axes):
        return
    bounds = _bounds(node, axes, attributes)
    for place, axis in enumerate(axes):
        if node.places(0, axis) is not None:
            taken = _taken(node, bounds, place)
            if not _rewrite(bounds, place, taken, node.before(0)[axis]):
                _pick(node, bounds, place, taken)
    if attributes:
        node.set_attribute("starts", bounds.starts)
        node.set_attribute("ends", bounds.ends)
        return
    node.set_integers(1, bounds.starts, "starts")
    node.set_integers(2, bounds.ends, "ends")
    if node.has(4):
        node.set_integers(4, bounds.steps, "steps")


def _axes(node: Resized, attributes: bool) -> list[int]:
    if attributes:
        axes = list(node.attribute("axes") or range(len(node.attribute("starts"))))
    else:
        known = node.integers(3) if node.has(3) else list(range(node.before(1)[0]))
        # Axes that are not known: then all of them may be sliced.
        axes = list(range(len(node.before(0)))) if known is None else known
    return [node.normal(int(axis)) for axis in axes]


def _bounds(node: Resized, axes: list[int], attributes: bool) -> Bounds:
    if attributes:
        starts, ends = (list(node.attribute(name)) for name in ("starts", "ends"))
        return Bounds(axes, starts, ends, [1] * len(axes))
    given = [node.integers(1), node.integers(2), node.integers(4) if node.has(4) else [1] * len(axes)]
    known = [one for one in given if one is not None]
    if len(known) < len(given) or (node.has(3) and not node.is_constant(3)):
        raise node.refused("an axis gains or loses elements, and the bounds that it is sliced at are not constant")
    return Bounds(axes, *known)


def _rewrite(bounds: Bounds, place: int, taken: NDArray[np.int64], size: int) -> bool:
    """New bounds of one axis of that size; False where no bounds take what is to be taken."""
    step = bounds.steps[place]
    strides = np.unique(np.diff(taken))
    if strides.size > 1 or (step == 1 and strides.size and strides[0] != 1):
        return False
    if step == 1:
        bounds.starts[place] = int(taken[0])
        if bounds.ends[place] < max(size, int(taken[-1]) + 1):
            bounds.ends[place] = int(taken[-1]) + 1
        return True
    stride = int(strides[0]) if strides.size else step
    end = int(taken[-1]) + (1 if stride > 0 else -1)
    bounds.starts[place], bounds.steps[place] = int(taken[0]), stride
    bounds.ends[place] = -_END if end < 0 else end
    return True


def _end(bounds: Bounds, place: int, size: int) -> int | None:
    """An end as Python has it, which cannot say "before the first element"."""
    end = bounds.ends[place]
    return None if bounds.steps[place] < 0 and end < -size else end


def _taken(node: Resized, bounds: Bounds, place: int) -> NDArray[np.int64]:
    """What is to be taken, by its places in the new axis."""
    axis = bounds.axes[place]
    size = node.before(0)[axis]
    return new_places(
        node, axis, np.arange(size)[bounds.starts[place] : _end(bounds, place, size) : bounds.steps[place]]
    )


def _pick(node: Resized, bounds: Bounds, place: int, taken: NDArray[np.int64]) -> None:
    """Every second element, some of which are gone: a Gather takes what there is."""
    editor, axis = node.editor, bounds.axes[place]
    indices = editor.values(f"{node.name}_taken_{axis}", taken)
    data = editor.edit.rereads.get((id(node.node), 0), (node.node, node.node.inputs[0]))[1]
    output = editor.tensor(node.node.inputs[0], f"{node.name}_picked_{axis}", _unsaid(node))
    editor.node(
        "Gather", f"{node.node.name or node.name}_picked", [data, indices], output, {"axis": axis}, ahead_of=node.node
    )
    editor.reread(node.node, 0, output)
    bounds.starts[place], bounds.ends[place], bounds.steps[place] = 0, _END, 1


def _unsaid(node: Resized) -> list[None]:
    return [None] * len(node.before(0))
